"""Sets from the Hugging Face hub, through their own library: `hf://OWNER/NAME`, or `hf://OWNER/NAME:CONFIGURATION`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import EncodedImages, ImageSet, concatenate_encoded
from striate.data.loaders import parquet
from striate.data.loaders.folder import SPLIT_ALIASES
from striate.errors import DataError

HUB_PREFIX = "hf://"
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img", "picture"), ("label", "labels", "fine_label", "class")
"""Columns that can hold images and labels, the first one found counts."""


@dataclass(frozen=True, eq=False)
class _HubSplit:
    """One split's images and labels, and the names of those, if they are numbers with names."""

    split: str
    images: EncodedImages
    labels: NDArray[Any]
    class_names: tuple[str, ...] | None


def load_from_hub(address: str) -> ImageSet:
    """Returns the images of a set on the hub; the library keeps them in its own cache, mapped, and decoded is on
    demand. An image's key is its split and its row, counted from 0. Splits of other names than train, validation and
    test are left out.

    Raises:
        DataError: the library is missing, the set is not there or cannot be fetched, or holds no labeled images.
    """
    name, _, configuration = address.removeprefix(HUB_PREFIX).partition(":")
    found = _fetch_dataset(address, name, configuration or None)
    parts = [_read_split(address, SPLIT_ALIASES[split], one) for split, one in found.items() if split in SPLIT_ALIASES]
    if not any(part.split == "train" for part in parts):
        raise DataError(f"{address} has no split to train on", received=", ".join(found), expected="train")
    first = parts[0]
    if any(
        part.class_names != first.class_names or part.labels.dtype.kind != first.labels.dtype.kind for part in parts
    ):
        raise DataError(f"The splits of {address} name their classes differently")
    numbers, labels = np.unique(np.concatenate([part.labels for part in parts]), return_inverse=True)
    return ImageSet(
        name=Path(name).name,
        classes=tuple(first.class_names[number] if first.class_names else str(number) for number in numbers),
        labels=labels.astype(np.int32),
        keys=np.array([f"{part.split}/{row}" for part in parts for row in range(len(part.labels))], np.str_),
        sources=concatenate_encoded([part.images for part in parts]),
        splits=np.concatenate([np.full(len(part.labels), part.split, "U10") for part in parts]),
    )


def _fetch_dataset(address: str, name: str, configuration: str | None) -> Any:
    """Returns split → dataset."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            "Sets from the Hugging Face hub are read with the library datasets, which is not installed",
            received=address,
            hint="pip install 'striate[hf]'",
        ) from None
    try:
        found = datasets.load_dataset(name, configuration)
    except Exception as error:  # a library's and a model's whole range; each of them means that there is no set
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"The set cannot be fetched: {reason}",
            received=address,
            expected="hf://OWNER/NAME of a set with images, and a model, or the set in the library's cache",
            hint=None if os.environ.get("HF_HUB_OFFLINE") != "1" else "unset HF_HUB_OFFLINE",
        ) from None
    return found if isinstance(found, dict) else {"train": found}


def _read_split(address: str, split: str, dataset: Any) -> _HubSplit:
    import datasets

    image = next((column for column in IMAGE_COLUMNS if column in dataset.column_names), None)
    label = next((column for column in LABEL_COLUMNS if column in dataset.column_names), None)
    if image is None or label is None:
        raise DataError(
            f"{address} holds no labeled images",
            received=", ".join(dataset.column_names)[:300],
            expected="a column image and a column label",
        )
    plain = dataset.cast_column(image, datasets.Image(decode=False)).flatten_indices()
    table = plain.data.table
    stored = parquet.get_struct_field(table.column(image), "bytes")
    if stored.null_count:
        raise DataError(f"{address} names files instead of holding the images", hint="load its folder instead")
    where = Path(f"{address}, {split}")
    names = getattr(dataset.features[label], "names", None)
    known = tuple(names) if names else None
    labels = parquet.parse_labels(where, table.column(label), known)
    return _HubSplit(split, parquet.to_encoded_images(stored), labels, known if labels.dtype.kind == "i" else None)
