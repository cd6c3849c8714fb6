"""From the Arrow columns of a table to pictures, labels and splits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError
from striate.images.encoded import Encoded
from striate.images.sources.folder import SPLIT_FOLDERS

ADDRESS = ("http://", "https://", "s3://", "gs://", "hf://", "data:")
"""How texts begin that are no paths of files here."""


def is_binary(kind: Any) -> bool:
    """Returns whether an Arrow type holds bytes, repeated values stored once or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        test(kind)
        for test in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


def is_text(kind: Any) -> bool:
    """Returns whether an Arrow type holds text, repeated values stored once or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def within(column: Any, field: str) -> Any:
    """Returns a field of a column of structs; null where the struct is."""
    import pyarrow.compute as pc

    return pc.struct_field(column, field)


def encoded(column: Any) -> Encoded:
    """Returns a column of bytes as pictures; Arrow's buffers are kept, not copied."""
    import pyarrow as pa

    buffers: list[memoryview] = []
    places = [np.empty((0, 3), np.int64)]
    for chunk in (chunk for chunk in column.cast(pa.large_binary()).chunks if len(chunk)):
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        lengths = np.where(chunk.is_null().to_numpy(zero_copy_only=False), -1, np.diff(bounds))
        places.append(np.stack([np.full(len(chunk), len(buffers)), bounds[:-1], lengths], axis=1))
        buffers.append(memoryview(data if data is not None else b""))
    return Encoded(buffers, np.concatenate(places))


def paths(table: Path, column: Any) -> list[str]:
    """Returns a column of paths.

    Raises:
        DataError: an empty cell, or addresses on the internet.
    """
    found: list[str | None] = column.to_pylist()
    for row, path in enumerate(found):
        if not path:
            raise DataError(f"{table}, row {row}: there is no picture and no path")
        if path.lower().startswith(ADDRESS):
            raise only_addresses(table, path[:100])
    return [path for path in found if path]


def only_addresses(table: Path, what: str) -> DataError:
    """Returns the error for a table whose pictures are on the internet."""
    return DataError(
        f"{table} holds addresses of pictures, not the pictures",
        received=what,
        expected="a column image with the bytes of the pictures, or a column path with files",
        hint="download the pictures, and name them in a CSV table path,label",
    )


def names_of(metadata: dict[bytes, bytes] | None, column: str) -> tuple[str, ...] | None:
    """Returns the class names that Hugging Face's `datasets` left in a schema, or None: the field `huggingface` of
    its metadata is JSON, with the names of a ClassLabel under info → features → COLUMN → names.
    """
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"null"))
        for key in ("info", "features", column, "names"):
            found = found[key]
        return tuple(map(str, found)) or None
    except (ValueError, KeyError, TypeError):  # another program's field; without it labels are their own names
        return None


def labels(table: Path, column: Any, names: tuple[str, ...] | None) -> NDArray[Any]:
    """Returns a column of labels as (n,) int64, or as text.

    Raises:
        DataError: not classes, an empty cell, −1, or a number that has no name.
    """
    import pyarrow as pa

    whole = pa.types.is_integer(column.type)
    if not (whole or is_text(column.type) or pa.types.is_boolean(column.type)):
        raise DataError(
            f"{table}: the column label does not hold classes",
            received=str(column.type)[:200],
            expected="text, or whole numbers from 0",
        )
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise DataError(
            f"{table}: {column.null_count:,} of {len(column):,} labels are missing (null)",
            received=f"row {row}, counted from 0",
            hint="remove the rows without a label",
        )
    if not whole:
        found: NDArray[np.str_] = column.cast(pa.large_string()).to_numpy().astype(np.str_)
        if "" in found:
            raise DataError(f"{table}, row {found.tolist().index('')}: the label is empty")
        return found
    numbers: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    outside = np.flatnonzero((numbers < 0) | (numbers >= (len(names) if names else np.inf)))
    if not len(outside):
        return numbers
    row, value = int(outside[0]), int(numbers[outside[0]])
    if value < 0:
        raise DataError(
            f"{table}: {np.sum(numbers < 0):,} of {len(numbers):,} labels are negative, which stands for no label",
            received=f"{value} in row {row}, counted from 0",
            expected="whole numbers from 0",
            hint="leave out this table, or the rows without a label",
        )
    raise DataError(
        f"{table}: labels that have no name",
        received=f"{value} in row {row}, counted from 0",
        expected=f"0..{len(names or ()) - 1}, for {few(names or ())}",
    )


def splits(table: Path, column: Any) -> list[str]:
    """Returns a column of split names as Striate calls them; "" where a cell is empty.

    Raises:
        DataError: another word.
    """
    if not is_text(column.type):
        raise DataError(f"{table}: the column split does not hold text", received=str(column.type)[:200])
    found = [str(word or "").strip().lower() for word in column.to_pylist()]
    unknown = sorted(set(found) - {"", *SPLIT_FOLDERS})
    if unknown:
        raise DataError(f"{table}: unknown split", received=unknown[0], expected="train, val, test or nothing")
    return [SPLIT_FOLDERS.get(word, "") for word in found]


def few(names: Iterable[Any]) -> str:
    """Returns the first names, for a message."""
    every = [str(name) for name in names]
    return ", ".join(every[:5]) + (" …" if len(every) > 5 else "")
