"""ImageSet: labeled images that are decoded only when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from striate.data.decoding import ImageSource
from striate.errors import ImageDecodeError


class EncodedImages(Sequence[bytes]):
    """Encoded images; each is copied out when it is asked for, and selections share the buffers.

    Args:
        buffers: what holds the bytes.
        spans: (n, 3) int64, for each image the number of its buffer, its first byte and its length in bytes;
            a length of −1 where a row has no image.
    """

    def __init__(self, buffers: Sequence[memoryview], spans: NDArray[np.int64]) -> None:
        self.buffers = tuple(buffers)
        self.spans = spans

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> EncodedImages: ...
    def __getitem__(self, index: int | slice) -> bytes | EncodedImages:
        """Returns one image's bytes, or some of the images.

        Raises:
            ImageDecodeError: the row has no image.
        """
        if isinstance(index, slice):
            return EncodedImages(self.buffers, self.spans[index])
        buffer, start, length = self.spans[index].tolist()
        if length < 0:
            raise ImageDecodeError("no image in this row (null)")
        return bytes(self.buffers[buffer][start : start + length])

    def select(self, indices: NDArray[np.intp]) -> EncodedImages:
        """Returns the images at `indices`, in that order."""
        return EncodedImages(self.buffers, self.spans[indices])

    def iter_hash_chunks(self) -> Iterator[memoryview]:
        """Yields what tells these images from others, to be hashed: their lengths, then the bytes of each."""
        yield memoryview(self.spans[:, 2].tobytes())
        for buffer, start, length in self.spans.tolist():
            yield self.buffers[buffer][start : start + max(0, length)]


def concatenate_encoded(parts: Sequence[EncodedImages]) -> EncodedImages:
    """Returns the images of several, one after the other; no image is copied."""
    buffers: list[memoryview] = []
    places = [np.empty((0, 3), np.int64)]
    for part in parts:
        places.append(part.spans + np.array([len(buffers), 0, 0]))
        buffers += part.buffers
    return EncodedImages(buffers, np.concatenate(places))


ImageKind = Literal["digits", "clothes", "photos"]
"""What the images show, as far as it decides which changes augmentation may make to them."""

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labeled images. Fields are parallel: image i has keys[i], labels[i], sources[i], given[i].

    Attributes:
        name: for people and run names.
        classes: class names; a label is an index into them.
        labels: (n,) int32.
        keys: (n,) unique names, stable from one loading to the next (a path below the root, or `train/7`).
        sources: (n,) what to decode: paths, the bytes of files, or an array (n, h, w) or (n, h, w, c) uint8.
        splits: (n,) the split that the data set itself assigns: train, validation, test or "".
        kind: what the images show.
        ignored_files: files that lie among the images and are not images, by name.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int32]
    keys: NDArray[np.str_]
    sources: Sequence[Path] | EncodedImages | NDArray[np.uint8]
    splits: NDArray[np.str_]
    kind: ImageKind = "photos"
    ignored_files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def get_source(self, index: int) -> ImageSource:
        """Returns what `pixels.decode` takes for image `index`.

        Raises:
            ImageDecodeError: a table's row has none.
        """
        return self.sources[index]

    def read(self, index: int) -> NDArray[np.uint8]:
        """Returns image `index` decoded at its own size: (h, w, 1 or 3) uint8.

        Raises:
            ImageDecodeError: the file cannot be decoded.
        """
        from striate.data.preprocessing import decode_image

        return decode_image(self.get_source(index))

    def subset(self, indices: NDArray[np.intp] | NDArray[np.bool_] | Sequence[int]) -> ImageSet:
        """Returns the images at `indices` (or under a mask), in that order, with the same classes."""
        picked = np.asarray(indices)
        chosen = np.arange(len(self))[picked if picked.size else picked.astype(np.intp)]  # [] is an array of floats
        if isinstance(self.sources, np.ndarray):
            sources: Sequence[Path] | EncodedImages | NDArray[np.uint8] = self.sources[chosen]
        elif isinstance(self.sources, EncodedImages):
            sources = self.sources.select(chosen)
        else:
            sources = [self.sources[i] for i in chosen]
        return replace(
            self,
            labels=self.labels[chosen],
            keys=self.keys[chosen],
            sources=sources,
            splits=self.splits[chosen],
        )

    def count_by_class(self) -> dict[str, int]:
        """Returns class name → number of images, in class order, zeros included."""
        numbers = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(number) for name, number in zip(self.classes, numbers, strict=True)}

    def compute_fingerprint(self) -> str:
        """Returns 64 hexadecimal digits that change when a key, a label, a class or the images change.

        Pixels and bytes held in memory are hashed themselves; files by size, so that 100,000 photographs need not be
        read.
        """
        digest = hashlib.sha256("\0".join(self.classes).encode())
        digest.update(self.labels.tobytes())
        digest.update("\0".join(self.keys.tolist()).encode())
        if isinstance(self.sources, np.ndarray):
            digest.update(np.ascontiguousarray(self.sources).data)
        elif isinstance(self.sources, EncodedImages):
            for piece in self.sources.iter_hash_chunks():
                digest.update(piece)
        else:
            digest.update(repr([path.stat().st_size if path.exists() else -1 for path in self.sources]).encode())
        return digest.hexdigest()
