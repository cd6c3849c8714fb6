"""A list of corrections: images left out and labels changed, without a change to the user's files. It is a CSV table
that people read, edit and keep under version control.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import numpy as np

from striate.data.image_set import ImageSet
from striate.errors import DataError, find_nearest_name
from striate.system.atomic_files import write_csv

Action = Literal["exclude", "relabel", "keep"]
ACTIONS: tuple[str, ...] = get_args(Action)
CORRECTIONS_FILE = "corrections.csv"
"""The name of the list of corrections in the folder of a run."""

CORRECTION_COLUMNS = ("key", "action", "label", "original_label", "reason")


class Correction(NamedTuple):
    """One row.

    Attributes:
        key: the image's.
        action: leave it out, give it another label, or neither (a row to be decided on).
        label: the new class, where it is relabelled.
        original_label: the class it has in the data, for people.
        reason: why, for people.
    """

    key: str
    action: Action
    label: str = ""
    original_label: str = ""
    reason: str = ""


def save_corrections(corrections: Iterable[Correction], path: Path) -> None:
    """Writes one row per correction, sorted by key."""
    write_csv(path, CORRECTION_COLUMNS, sorted(corrections))


def load_corrections(path: Path) -> list[Correction]:
    """Returns the rows of a list; the columns `key` and `action` must be there, others may.

    Raises:
        DataError: not such a table, an action that is none, an image listed twice, a new label missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"The list of corrections cannot be read: {error}", received=path) from None
    if not {"key", "action"} <= set(text.partition("\n")[0].strip().split(",")):
        raise DataError(
            f"{path} is no list of corrections", expected="a CSV table with the columns " + ",".join(CORRECTION_COLUMNS)
        )
    found = []
    for line, row in enumerate(rows, 2):
        action = (row["action"] or "").strip()
        if action not in ACTIONS:
            raise DataError(f"{path}, row {line}: unknown action", received=action, expected=", ".join(ACTIONS))
        label = (row.get("label") or "").strip()
        if action == "relabel" and not label:
            raise DataError(f"{path}, row {line}: the new label is missing", received=row["key"])
        kind = cast(Action, action)
        found.append(
            Correction(
                row["key"] or "",
                kind,
                label,
                row.get("original_label") or row.get("was") or "",
                row.get("reason") or "",
            )
        )
    twice = [key for key, times in Counter(one.key for one in found).items() if times > 1]
    if twice:
        raise DataError(f"{path} lists an image more than once", received=twice[0], hint="keep one row per image")
    return found


def apply_corrections(images: ImageSet, corrections: Iterable[Correction]) -> ImageSet:
    """Returns the set without the images to leave out and with the labels changed. What is to be left out and is not
    there any more is left out already.

    Raises:
        DataError: an image to relabel is not there, or its new class is none of the set's.
    """
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    number = {name: index for index, name in enumerate(images.classes)}
    labels, stays = images.labels.copy(), np.ones(len(images), bool)
    for one in corrections:
        if one.action == "exclude" and one.key in place:
            stays[place[one.key]] = False
        elif one.action == "relabel":
            if one.key not in place:
                raise DataError(
                    f"An image to relabel is not in {images.name}",
                    received=one.key,
                    hint=find_nearest_name(one.key, list(place)[:10_000]),
                )
            if one.label not in number:
                raise DataError(
                    f"{one.key} is to get a label that {images.name} does not have",
                    received=one.label,
                    expected=", ".join(images.classes[:10]) + (" …" if len(images.classes) > 10 else ""),
                    hint=find_nearest_name(one.label, images.classes),
                )
            labels[place[one.key]] = number[one.label]
    return replace(images, labels=labels).subset(stays)
