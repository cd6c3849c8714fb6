"""Parquet tables, as Hugging Face publishes images: one row per image, its bytes within the table."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.data.image_set import EncodedImages, ImageSet, concatenate_encoded
from striate.data.loaders.csv import check_files
from striate.data.loaders.folder import SPLIT_ALIASES
from striate.data.shards import build_shard_key, get_set_name, infer_split, require_numbered_shards
from striate.errors import DataError, find_nearest_name
from striate.system.hardware import measure_memory

if TYPE_CHECKING:
    import pyarrow.parquet as pq

COLUMN_MEMORY_DIVISOR = 8  # part of the machine's memory that a column may take
ROWS_PER_BATCH = 1024  # rows read at a time, of larger ones
IMAGE_COLUMNS = ("image", "img", "path")
"""Columns that can hold the images, the first one found counts."""


@dataclass(frozen=True, eq=False)
class _ParquetTable:
    path: Path
    images: EncodedImages | list[str]
    labels: NDArray[Any]
    class_names: tuple[str, ...] | None
    splits: list[str]


def load_parquet(root: Path, tables: list[Path]) -> ImageSet:
    """Returns the images of Parquet tables; their encoded bytes are held once, in memory or (where they would take
    more than an eighth of it) in a file that is mapped, and decoded on demand.

    Images are in the column `image` or `img` (a struct with `bytes`, or bytes), or named in `path`, relative to
    the table. Classes are in the column `label`: text, or whole numbers, whose names the schema may hold as Hugging
    Face writes them; names without an image are left out. A column `split`, or else the table's name (`train…`,
    `validation…`, `test…`), says the split; the name of a single table given by itself says nothing. An image's
    key is its table's name and its row, counted from 0.

    Args:
        root: what the user named, a table or the folder that holds them.
        tables: the tables themselves.

    Raises:
        DataError: PyArrow is missing; not a Parquet table, or a damaged one; columns, labels or shards missing;
            no rows; labels or splits that mean nothing.
    """
    require_numbered_shards(tables)
    parts = [_read_table(table, "" if table == root else infer_split(table, root)) for table in tables]
    if not any(part.splits for part in parts):
        raise DataError(f"{root} has no rows", expected="one row per image")
    parts = [part for part in parts if part.splits]
    classes, labels = _encode_labels(parts)
    paths = [build_shard_key(part.path, root) for part in parts]
    keys = [f"{path}/{row}" for path, part in zip(paths, parts, strict=True) for row in range(len(part.splits))]
    stored = [part.images for part in parts if isinstance(part.images, EncodedImages)]
    sources: EncodedImages | list[Path] = concatenate_encoded(stored)
    if len(stored) < len(parts):
        if stored:
            raise DataError(f"Some tables of {root} hold images, and others name files", expected="one or the other")
        listed = [(part.path.parent, name) for part in parts for name in part.images if isinstance(name, str)]
        sources = [folder / name for folder, name in listed]
        check_files(root, [name for _, name in listed], sources)
    return ImageSet(
        name=get_set_name(root),
        classes=classes,
        labels=labels,
        keys=np.array(keys, np.str_),
        sources=sources,
        splits=np.array([split for part in parts for split in part.splits], "U10"),
    )


def _read_table(table: Path, split: str) -> _ParquetTable:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(
            "Parquet tables are read with PyArrow, which is not installed",
            received=table,
            hint="pip install 'striate[parquet]'",
        ) from None
    try:
        with pq.ParquetFile(table, memory_map=True) as file:
            if "label" not in file.schema_arrow.names:
                raise _build_column_error(table, file, "label", "the class of each image")
            images = _read_images(table, file)
            names = parse_class_names(file.schema_arrow.metadata, "label")
            labels = parse_labels(table, _read_column(file, "label"), names)
            given = [split] * file.metadata.num_rows
            if "split" in file.schema_arrow.names:
                given = parse_splits(table, _read_column(file, "split"))
    except (pa.ArrowException, OSError, UnicodeError) as error:  # names and labels are foreign bytes too
        raise DataError(f"{table} {_describe_read_error(table, error)}") from None
    return _ParquetTable(table, images, labels, names if labels.dtype.kind == "i" else None, given)


def _read_column(file: pq.ParquetFile, name: str) -> Any:
    """Returns a column, in memory; mapped from a file that has no name any more where that would take too much."""
    if _measure_column_bytes(file, name) <= (measure_memory() or 8 << 30) // COLUMN_MEMORY_DIVISOR:
        return file.read(columns=[name]).column(0)
    import pyarrow as pa

    folder = platformdirs.user_cache_path("striate")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="striate-", dir=os.environ.get("TMPDIR") or folder) as scratch:
        writer = None
        for batch in file.iter_batches(ROWS_PER_BATCH, columns=[name]):
            writer = writer or pa.ipc.new_file(scratch, batch.schema)
            writer.write_batch(batch)
        assert writer is not None  # noqa: S101  (a column that takes memory has rows)
        writer.close()
        scratch.flush()
        return pa.ipc.open_file(pa.memory_map(scratch.name)).read_all().column(0)


def _measure_column_bytes(file: pq.ParquetFile, name: str) -> int:
    about = file.metadata
    places = ((group, column) for group in range(about.num_row_groups) for column in range(about.num_columns))
    parts = (about.row_group(group).column(column) for group, column in places)
    return sum(part.total_uncompressed_size for part in parts if f"{part.path_in_schema}.".startswith(f"{name}."))


def _read_images(table: Path, file: pq.ParquetFile) -> EncodedImages | list[str]:
    import pyarrow as pa

    name = next((name for name in IMAGE_COLUMNS if name in file.schema_arrow.names), None)
    if name is None:
        raise _build_column_error(table, file, "image", "the images (or path, where they lie in files)")
    kind = file.schema_arrow.field(name).type
    if pa.types.is_struct(kind):
        inner = {kind.field(number).name for number in range(kind.num_fields)}
        if "bytes" in inner:
            stored = get_struct_field(_read_column(file, f"{name}.bytes"), "bytes")
            if "path" not in inner or stored.null_count < len(stored):
                return to_encoded_images(stored)
        if "path" in inner:
            return parse_paths(table, get_struct_field(_read_column(file, f"{name}.path"), "path"))
    elif is_binary_type(kind):
        return to_encoded_images(_read_column(file, name))
    elif is_text_type(kind):
        return parse_paths(table, _read_column(file, name))
    raise DataError(
        f"{table}: the column {name} does not hold encoded images",
        received=str(kind)[:200],
        expected="bytes of image files, or struct<bytes, path>",
    )


def _build_column_error(table: Path, file: pq.ParquetFile, column_name: str, description: str) -> DataError:
    there = file.schema_arrow.names
    addresses = [name for name in there if "url" in name.lower()]
    if column_name == "image" and addresses:
        return build_url_error(table, addresses[0])
    near = find_nearest_name(column_name, there)
    return DataError(
        f"{table} has no column {column_name!r}",
        received=", ".join(there)[:300] or "no columns",
        expected=f"{column_name}, {description}",
        hint=f"rename the column {near!r}" if near else None,
    )


def _encode_labels(parts: list[_ParquetTable]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Returns class names and all labels as indices into them."""
    first = parts[0]
    for part in parts[1:]:
        if part.class_names != first.class_names or part.labels.dtype.kind != first.labels.dtype.kind:
            raise DataError(
                f"{part.path.name} and {first.path.name} name their classes differently",
                received=format_names(part.class_names or part.labels[:5]),
                expected=format_names(first.class_names or first.labels[:5]),
            )
    found, numbers = np.unique(np.concatenate([part.labels for part in parts]), return_inverse=True)
    names = first.class_names
    return tuple(str(names[label]) if names else str(label) for label in found), numbers.astype(np.int32)


def _describe_read_error(table: Path, error: Exception) -> str:
    """Returns why a file cannot be read as Parquet, in words that help."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror.lower()}"
    with table.open("rb") as file:
        head = file.read(100)
        file.seek(max(0, table.stat().st_size - 4))
        tail = file.read()
    start = head.lstrip().lower()
    if not head:
        return "is an empty file (0 bytes)"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the table itself (git lfs pull fetches it)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page saved under a table's name"
    if not head.startswith(b"PAR1"):
        return "is not a Parquet table"
    if tail != b"PAR1":
        return "is cut off: the end of the table is missing (download it again)"
    return f"is a damaged Parquet table: {str(error).splitlines()[0].rstrip('.')}"


URL_PREFIXES = ("http://", "https://", "s3://", "gs://", "hf://", "data:")
"""How texts begin that are no paths of files here."""


def is_binary_type(arrow_type: Any) -> bool:
    """Returns whether an Arrow type holds bytes, repeated values stored once or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    return any(
        test(arrow_type)
        for test in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


def is_text_type(arrow_type: Any) -> bool:
    """Returns whether an Arrow type holds text, repeated values stored once or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    return any(test(arrow_type) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def get_struct_field(column: Any, field: str) -> Any:
    """Returns a field of a column of structs; null where the struct is."""
    import pyarrow.compute as pc

    return pc.struct_field(column, field)


def to_encoded_images(column: Any) -> EncodedImages:
    """Returns a column of bytes as images; Arrow's buffers are kept, not copied."""
    import pyarrow as pa

    buffers: list[memoryview] = []
    places = [np.empty((0, 3), np.int64)]
    for chunk in (chunk for chunk in column.cast(pa.large_binary()).chunks if len(chunk)):
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        lengths = np.where(chunk.is_null().to_numpy(zero_copy_only=False), -1, np.diff(bounds))
        places.append(np.stack([np.full(len(chunk), len(buffers)), bounds[:-1], lengths], axis=1))
        buffers.append(memoryview(data if data is not None else b""))
    return EncodedImages(buffers, np.concatenate(places))


def parse_paths(table: Path, column: Any) -> list[str]:
    """Returns a column of paths.

    Raises:
        DataError: an empty cell, or addresses on the internet.
    """
    found: list[str | None] = column.to_pylist()
    for row, path in enumerate(found):
        if not path:
            raise DataError(f"{table}, row {row}: there is no image and no path")
        if path.lower().startswith(URL_PREFIXES):
            raise build_url_error(table, path[:100])
    return [path for path in found if path]


def build_url_error(table: Path, example: str) -> DataError:
    """Returns the error for a table whose images are on the internet."""
    return DataError(
        f"{table} holds addresses of images, not the images",
        received=example,
        expected="a column image with the bytes of the images, or a column path with files",
        hint="download the images, and name them in a CSV table path,label",
    )


def parse_class_names(metadata: dict[bytes, bytes] | None, column: str) -> tuple[str, ...] | None:
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


def parse_labels(table: Path, column: Any, names: tuple[str, ...] | None) -> NDArray[Any]:
    """Returns a column of labels as (n,) int64, or as text.

    Raises:
        DataError: not classes, an empty cell, −1, or a number that has no name.
    """
    import pyarrow as pa

    whole = pa.types.is_integer(column.type)
    if not (whole or is_text_type(column.type) or pa.types.is_boolean(column.type)):
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
        expected=f"0..{len(names or ()) - 1}, for {format_names(names or ())}",
    )


def parse_splits(table: Path, column: Any) -> list[str]:
    """Returns a column of split names as Striate calls them; "" where a cell is empty.

    Raises:
        DataError: another word.
    """
    if not is_text_type(column.type):
        raise DataError(f"{table}: the column split does not hold text", received=str(column.type)[:200])
    found = [str(word or "").strip().lower() for word in column.to_pylist()]
    unknown = sorted(set(found) - {"", *SPLIT_ALIASES})
    if unknown:
        raise DataError(f"{table}: unknown split", received=unknown[0], expected="train, val, test or nothing")
    return [SPLIT_ALIASES.get(word, "") for word in found]


def format_names(names: Iterable[Any]) -> str:
    """Returns the first names, for a message."""
    every = [str(name) for name in names]
    return ", ".join(every[:5]) + (" …" if len(every) > 5 else "")
