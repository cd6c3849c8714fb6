"""A CSV table: path, label and, if it likes, split."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from pathlib import Path

import numpy as np

from striate.data.image_set import ImageSet
from striate.data.loaders.folder import SPLIT_ALIASES
from striate.errors import DataError, find_nearest_name


def load_csv(table: Path) -> ImageSet:
    """Returns the images that a CSV file lists.

    The first line names the columns: `path` (relative to the table's folder, or absolute), `label`, and optionally
    `split` (train, val, test and their longer names; empty where Striate may choose). Comma, semicolon or tab
    separate; UTF-8, with or without a byte order mark.

    Raises:
        DataError: not text, no rows, missing columns, an unknown split, an empty cell, an image listed twice, or
            files that are not there.
    """
    numbered = _read_rows(table)
    rows = [row for _, row in numbered]
    splits = [_parse_split(row.get("split") or "", table, line) for line, row in numbered]
    for line, row in numbered:
        for column in ("path", "label"):
            if not row[column]:
                raise DataError(f"{table}, line {line}: the cell {column} is empty")
    keys = [row["path"] for row in rows]
    paths = [table.parent / key for key in keys]
    check_files(table, keys, paths)
    classes = sorted({row["label"] for row in rows})
    place = {name: index for index, name in enumerate(classes)}
    return ImageSet(
        name=table.stem,
        classes=tuple(classes),
        labels=np.array([place[row["label"]] for row in rows], np.int32),
        keys=np.array(keys, np.str_),
        sources=paths,
        splits=np.array(splits, "U10"),
    )


def check_files(table: Path, keys: list[str], paths: list[Path]) -> None:
    """Returns nothing when every file that a table lists is there, and listed once; `keys` are its words for them.

    Raises:
        DataError: an image listed twice, or files that are not there.
    """
    places = [os.path.normpath(path) for path in paths]  # a.jpg and ./a.jpg are one image, in two splits a leak
    times = Counter(places)
    twice = [key for key, place in zip(keys, places, strict=True) if times[place] > 1]
    if twice:
        raise DataError(
            f"{table} lists an image more than once",
            received=" and ".join(dict.fromkeys(twice[:2])),
            hint="keep one row per image",
        )
    missing = [key for key, path in zip(keys, paths, strict=True) if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(keys):,} images that {table} lists are not there",
            received=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""),
            expected=f"paths relative to {table.parent.resolve()}, or absolute ones",
        )


def _read_rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns (line number, column → cell) for every row."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text: {error}", hint="save the table as UTF-8 CSV") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        columns = [(name or "").strip().lower() for name in reader.fieldnames or []]
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{table} is not a CSV table: {error}") from None
    for needed in ("path", "label"):
        if needed not in columns:
            raise DataError(
                f"{table} has no column {needed!r}",
                received=", ".join(columns) or "an empty file",
                expected="path,label[,split]",
                hint=f"rename the column {near!r}" if (near := find_nearest_name(needed, columns)) else None,
            )
    if not lines:
        raise DataError(f"{table} has a header and no rows", expected="one row per image")
    return [
        (line, {name.strip().lower(): (value or "").strip() for name, value in row.items() if name})
        for line, row in lines
    ]


def _parse_split(word: str, table: Path, line: int) -> str:
    if word and word.lower() not in SPLIT_ALIASES:
        raise DataError(f"{table}, line {line}: unknown split", received=word, expected="train, val, test or nothing")
    return SPLIT_ALIASES[word.lower()] if word else ""
