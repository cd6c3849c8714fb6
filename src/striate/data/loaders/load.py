"""One door for every kind of source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import ImageSet
from striate.data.loaders.archive import ARCHIVE_SUFFIXES, is_archive, strip_archive_suffix, unpack_archive
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.builtin import DATASETS, load_builtin
from striate.data.loaders.csv import load_csv
from striate.data.loaders.folder import NestedMode, load_folder
from striate.data.loaders.huggingface import HUB_PREFIX, load_from_hub
from striate.data.loaders.object_store import download_shards
from striate.data.loaders.parquet import load_parquet
from striate.data.loaders.webdataset import is_webdataset_shard, load_webdataset
from striate.data.shards import apply_manifest, find_shards, load_shard_manifest, require_listed_shards
from striate.errors import DataError, find_nearest_name
from striate.progress import NO_PROGRESS, Progress
from striate.system.object_store import URL_PATTERN, is_object_store_url

DataSource = str | Path | ImageSet | tuple[Any, Any]
"""What `load_images` takes."""


def load_images(
    data: DataSource,
    *,
    data_dir: str | Path | None = None,
    nested: NestedMode = "top",
    progress: Progress = NO_PROGRESS,
) -> ImageSet:
    """Returns the labeled images that `data` names.

    Args:
        data: the name of a data set (`digits`, `mnist`, …), a folder with a folder per class, a CSV or Parquet
            table, a folder of Parquet tables, a WebDataset shard or a folder of them, a zip or tar archive of a
            folder, the address `hf://OWNER/NAME` of a set on the Hugging Face hub, the address `s3://BUCKET/PREFIX` of
            shards in an object store (gs:// and az:// too), a pair (pixels, labels) of arrays,
            two such pairs for training and test (as Keras' own `load_data()` returns them), or an ImageSet, which is
            returned as it is. A folder that happens to be called like a data set is reached as `./digits`, or as a
            Path.
        data_dir: where named data sets lie or are put.
        nested: what folders within class folders are: more images of the class (`top`), or classes of their own,
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
        return load_builtin(data, None if data_dir is None else Path(data_dir), progress=progress)
    if isinstance(data, str) and data.startswith(HUB_PREFIX):
        return load_from_hub(data)
    if isinstance(data, str) and is_object_store_url(data):
        return _load_shard_folder(download_shards(data, progress=progress), _parse_set_name(data))
    path = Path(data)
    if path.is_dir():
        return _load_shard_folder(path) if _has_shards(path) else load_folder(path, nested=nested)
    if path.is_file():
        if path.suffix.lower() == ".tar" and is_webdataset_shard(path):
            return load_webdataset(path, [path])
        if is_archive(path):
            return replace(
                load_images(unpack_archive(path, progress=progress), nested=nested), name=strip_archive_suffix(path)
            )
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            return load_csv(path)
        if path.suffix.lower() == ".parquet":
            return load_parquet(path, [path])
        raise DataError(
            "A single file that is neither a table of images nor an archive",
            received=path,
            expected="a folder, a .csv or .parquet table, or one of " + ", ".join(ARCHIVE_SUFFIXES),
        )
    near = find_nearest_name(str(data), DATASETS)
    raise DataError(
        "There is no such folder, table or named data set",
        received=str(data),
        expected="a folder with a folder per class, an archive of one, a CSV or Parquet table, or one of "
        + ", ".join(DATASETS),
        hint=near,
    )


def _has_shards(folder: Path) -> bool:
    tars = find_shards(folder, ".tar")
    return bool(find_shards(folder, ".parquet")) or bool(tars and is_webdataset_shard(tars[0]))


def _load_shard_folder(folder: Path, name: str | None = None) -> ImageSet:
    """Returns the images of a folder of shards, held against its manifest if it has one, which names them."""
    manifest = load_shard_manifest(folder)
    if manifest is not None:
        require_listed_shards(manifest, folder)
    tables = find_shards(folder, ".parquet")
    found = load_parquet(folder, tables) if tables else load_webdataset(folder, find_shards(folder, ".tar"))
    return replace(found, name=name or found.name) if manifest is None else apply_manifest(found, manifest)


def _parse_set_name(address: str) -> str:
    """Returns how the set at an address is called: its last word that is no pattern."""
    found = URL_PATTERN.fullmatch(address)
    words = [word for word in (found[2] if found else address).split("/") if word and "*" not in word]
    return words[-1].partition(".")[0] or "bucket"


def _from_tuple(data: tuple[Any, ...]) -> ImageSet:
    pairs = data if all(isinstance(part, tuple) for part in data) else (data,)
    if not 1 <= len(pairs) <= 2 or any(len(pair) != 2 for pair in pairs):
        raise DataError(
            "Not a tuple of images and labels",
            received=f"{len(data)} parts",
            expected="(pixels, labels), or ((pixels, labels), (test pixels, test labels))",
        )
    (pixels, labels), *rest = ((np.asarray(pixels), _flatten_labels(np.asarray(labels))) for pixels, labels in pairs)
    return from_arrays(pixels, labels, test=rest[0] if rest else None)


def _flatten_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Returns a column of labels, as Keras' CIFAR comes with, as a row."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
