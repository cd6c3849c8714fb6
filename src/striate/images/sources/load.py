"""One door for every kind of source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError, nearest
from striate.images.imageset import ImageSet
from striate.images.sources.archive import ENDINGS, is_archive, stem, unpacked
from striate.images.sources.arrays import from_arrays
from striate.images.sources.folder import Nested, load_folder
from striate.images.sources.hub import PREFIX, load_hub
from striate.images.sources.named import DATASETS, load_named
from striate.images.sources.parquet import load_parquet
from striate.images.sources.shards import shards_in
from striate.images.sources.table import load_table
from striate.images.sources.webdataset import is_shard, load_shards
from striate.progress import SILENT, Progress

Data = str | Path | ImageSet | tuple[Any, Any]
"""What `load_images` takes."""


def load_images(
    data: Data, *, data_dir: str | Path | None = None, nested: Nested = "top", progress: Progress = SILENT
) -> ImageSet:
    """Returns the labelled pictures that `data` names.

    Args:
        data: the name of a data set (`digits`, `mnist`, …), a folder with a folder per class, a CSV or Parquet
            table, a folder of Parquet tables, a WebDataset shard or a folder of them, a zip or tar archive of a
            folder, the address `hf://OWNER/NAME` of a set on the Hugging Face hub, a pair (pixels, labels) of arrays,
            two such pairs for training and test (as Keras' own `load_data()` returns them), or an ImageSet, which is
            returned as it is. A folder that happens to be called like a data set is reached as `./digits`, or as a
            Path.
        data_dir: where named data sets lie or are put.
        nested: what folders within class folders are: more pictures of the class (`top`), or classes of their own,
            named by their paths (`path`).
        progress: told the bytes of a download or an archive.

    Raises:
        DataError: nothing there, or nothing usable; the message says what to change.
    """
    if isinstance(data, ImageSet):
        return data
    if isinstance(data, tuple):
        return _from_tuple(data)
    if isinstance(data, str) and data in DATASETS:  # a Path is a path: Path("./digits") has lost its dot
        return load_named(data, None if data_dir is None else Path(data_dir), progress=progress)
    if isinstance(data, str) and data.startswith(PREFIX):
        return load_hub(data)
    path = Path(data)
    if path.is_dir():
        if tables := shards_in(path, ".parquet"):
            return load_parquet(path, tables)
        shards = shards_in(path, ".tar")
        return load_shards(path, shards) if shards and is_shard(shards[0]) else load_folder(path, nested=nested)
    if path.is_file():
        if path.suffix.lower() == ".tar" and is_shard(path):
            return load_shards(path, [path])
        if is_archive(path):
            return replace(load_images(unpacked(path, progress=progress), nested=nested), name=stem(path))
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            return load_table(path)
        if path.suffix.lower() == ".parquet":
            return load_parquet(path, [path])
        raise DataError(
            "A single file that is neither a table of pictures nor an archive",
            received=path,
            expected="a folder, a .csv or .parquet table, or one of " + ", ".join(ENDINGS),
        )
    near = nearest(str(data), DATASETS)
    raise DataError(
        "There is no such folder, table or named data set",
        received=str(data),
        expected="a folder with a folder per class, an archive of one, a CSV or Parquet table, or one of "
        + ", ".join(DATASETS),
        hint=near,
    )


def _from_tuple(data: tuple[Any, ...]) -> ImageSet:
    pairs = data if all(isinstance(part, tuple) for part in data) else (data,)
    if not 1 <= len(pairs) <= 2 or any(len(pair) != 2 for pair in pairs):
        raise DataError(
            "Not a tuple of pictures and labels",
            received=f"{len(data)} parts",
            expected="(pixels, labels), or ((pixels, labels), (test pixels, test labels))",
        )
    (pixels, labels), *rest = ((np.asarray(pixels), _flat(np.asarray(labels))) for pixels, labels in pairs)
    return from_arrays(pixels, labels, test=rest[0] if rest else None)


def _flat(labels: NDArray[Any]) -> NDArray[Any]:
    """Returns a column of labels, as Keras' CIFAR comes with, as a row."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
