"""WebDataset shards: tar files in which an image and its label lie side by side under one name, `7.jpg` and `7.cls`
(Aizman, Maltby and Breuel 2019, arXiv:2001.01858, section 3). They are mapped into memory, not unpacked.
"""

from __future__ import annotations

import json
import mmap
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import IO

import numpy as np

from striate.data.decoding import get_image_limits
from striate.data.image_set import EncodedImages, ImageSet
from striate.data.shards import build_shard_key, get_set_name, infer_split, require_numbered_shards
from striate.errors import DataError

LABEL_SUFFIXES = ("cls", "label", "class", "json")
"""Endings of the members that hold a label, the first one found counts."""

JSON_LABEL_FIELDS = ("label", "cls", "class", "class_name")
"""Where in a JSON member the label is, the first one found counts."""

IMAGE_SUFFIXES = (
    "jpg",
    "jpeg",
    "png",
    "webp",
    "bmp",
    "gif",
    "tif",
    "tiff",
    "ppm",
    "pgm",
    "avif",
    "jp2",
    "image",
    "img",
)
"""Endings of the members that hold an image."""

MAX_LABEL_BYTES = 1 << 20  # bytes of a label
TAR_END_BYTES = 1024  # zeros that a tar file ends with
MAX_MEMBERS_SCANNED = 64  # members that tell whether a tar is a shard


@dataclass(frozen=True)
class _Sample:
    """An image's name, its first byte and length in the shard (−1 where there is none), and its label, if any."""

    name: str
    image_span: tuple[int, int]
    label: str | None


def is_webdataset_shard(path: Path) -> bool:
    """Returns whether a tar file holds images with their labels beside them, not class folders."""
    try:
        with tarfile.open(path, "r:") as file:
            names = [_split_member_name(member.name) for member in islice(file, MAX_MEMBERS_SCANNED) if member.isreg()]
    except (tarfile.TarError, OSError):
        return False
    images = {name for name, ending in names if ending in IMAGE_SUFFIXES}
    return any(name in images for name, ending in names if ending in LABEL_SUFFIXES)


def load_webdataset(root: Path, shards: list[Path]) -> ImageSet:
    """Returns the images of WebDataset shards, decoded on demand from the mapped files.

    A label is text, or a number that becomes its name; in a JSON member it is the field `label`, `cls`, `class` or
    `class_name`. A shard's name says the split (`train-0003.tar`), unless a single one is given by itself. An image's
    key is its shard's name and its own.

    Args:
        root: what the user named, a shard or the folder that holds them.
        shards: the shards themselves.

    Raises:
        DataError: a damaged or missing shard; a sample without a label, or there twice; no samples.
    """
    require_numbered_shards(shards)
    labels: list[str] = []
    keys: list[str] = []
    given: list[str] = []
    places: list[tuple[int, int, int]] = []
    buffers: list[memoryview] = []
    for shard in shards:
        split, prefix = "" if shard == root else infer_split(shard, root), build_shard_key(shard, root)
        with shard.open("rb") as file:
            if not shard.stat().st_size:
                raise DataError(f"{shard} is an empty file (0 bytes)", hint="download it again")
            buffers.append(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        for sample in _iter_samples(shard, buffers[-1]):
            if sample.label is None:
                raise DataError(
                    f"{shard}: the image {sample.name} has no label",
                    expected=f"a member {sample.name}.cls or .json",
                )
            labels.append(sample.label)
            keys.append(f"{prefix}/{sample.name}")
            given.append(split)
            places.append((len(buffers) - 1, *sample.image_span))
    if not keys:
        raise DataError(f"{root} holds no samples", expected="images and labels, such as 7.jpg and 7.cls")
    unique, times = np.unique(keys, return_counts=True)
    if len(unique) < len(keys):
        raise DataError(f"{root} holds a sample more than once", received=str(unique[times > 1][0]))
    classes = sorted(set(labels), key=lambda name: (0, int(name), "") if name.isdecimal() else (1, 0, name))
    number = {name: index for index, name in enumerate(classes)}
    return ImageSet(
        name=get_set_name(root),
        classes=tuple(classes),
        labels=np.array([number[label] for label in labels], np.int32),
        keys=np.array(keys, np.str_),
        sources=EncodedImages(buffers, np.array(places, np.int64).reshape(-1, 3)),
        splits=np.array(given, "U10"),
    )


def iter_shard_images(file: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Yields the name and the bytes of each sample's image, labeled or not, while the shard streams by; the name is
    the one that the sample's JSON calls `key`, where Striate wrote it.

    Raises:
        DataError: the shard is damaged or cut off; what was yielded before is whole.
    """
    try:
        with tarfile.open(fileobj=file, mode="r|") as shard:
            members = (member for member in shard if member.isreg() and not member.issparse())
            for sample, together in groupby(members, key=lambda member: _split_member_name(member.name)[0]):
                image, key = None, sample
                for member in together:
                    _, ending = _split_member_name(member.name)
                    if ending in IMAGE_SUFFIXES and image is None:
                        image = _read_member(shard, member)
                    elif ending == "json" and member.size <= MAX_LABEL_BYTES:
                        key = _parse_key(_read_member(shard, member)) or key
                if image is not None:
                    yield key, image
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{name} is damaged or cut off: {error}", hint="download it again") from None


def _read_member(shard: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Returns a member's bytes; none of one that is larger than an image may be."""
    held = shard.extractfile(member) if member.size <= get_image_limits().max_bytes else None
    found = b"" if held is None else held.read()
    if held is not None and len(found) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return found


def _parse_key(data: bytes) -> str | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    key = found.get("key") if isinstance(found, dict) else None
    return key if isinstance(key, str) else None


def _iter_samples(shard: Path, data: memoryview) -> Iterator[_Sample]:
    """Yields what lies side by side under one name; what has no image is left out."""
    try:
        if any(data[-TAR_END_BYTES:]):  # tarfile takes a shard that was cut between two members for a whole one
            raise tarfile.ReadError("the end of the archive is missing")
        with tarfile.open(shard, "r:") as file:
            members = (member for member in file if member.isreg() and not member.issparse())
            for name, together in groupby(members, key=lambda member: _split_member_name(member.name)[0]):
                sample = _build_sample(shard, name, together, data)
                if sample.image_span[1] >= 0:
                    yield sample
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{shard} is damaged or cut off: {error}", hint="download it again") from None


def _build_sample(shard: Path, name: str, members: Iterable[tarfile.TarInfo], data: memoryview) -> _Sample:
    image, label, rank = (0, -1), None, len(LABEL_SUFFIXES)
    for member in members:
        if member.offset_data + member.size > len(data):
            raise tarfile.ReadError("unexpected end of data")
        _, ending = _split_member_name(member.name)
        if ending in IMAGE_SUFFIXES and image[1] < 0:
            image = (member.offset_data, member.size)
        elif ending in LABEL_SUFFIXES[:rank]:
            text = bytes(data[member.offset_data : member.offset_data + min(member.size, MAX_LABEL_BYTES)])
            label, rank = _parse_label(shard, member.name, text, ending), LABEL_SUFFIXES.index(ending)
    return _Sample(name, image, label)


def _split_member_name(name: str) -> tuple[str, str]:
    """Returns a member's name up to the first dot behind its last slash, and the rest in lower case."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, ending = file.partition(".")
    return folder + slash + stem, ending.lower()


def _parse_label(shard: Path, name: str, data: bytes, suffix: str) -> str | None:
    try:
        text = data.decode("utf-8").strip()
        if suffix != "json":
            return text or None
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shard}: the member {name} cannot be read: {error}") from None
    found = (
        next((value[field] for field in JSON_LABEL_FIELDS if field in value), None)
        if isinstance(value, dict)
        else value
    )
    return str(found) if isinstance(found, str | int) and str(found) else None
