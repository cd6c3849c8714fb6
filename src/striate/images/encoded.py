"""Pictures as the bytes of their files, lying in a few large buffers: what a table with pictures in it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from striate.errors import PictureError


class Encoded(Sequence[bytes]):
    """Encoded pictures; each is copied out when it is asked for, and selections share the buffers.

    Args:
        buffers: what holds the bytes.
        places: (n, 3) int64, for each picture the number of its buffer, its first byte and its length in bytes;
            a length of −1 where a row has no picture.
    """

    def __init__(self, buffers: Sequence[memoryview], places: NDArray[np.int64]) -> None:
        self.buffers = tuple(buffers)
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Encoded: ...
    def __getitem__(self, index: int | slice) -> bytes | Encoded:
        """Returns one picture's bytes, or some of the pictures.

        Raises:
            PictureError: the row has no picture.
        """
        if isinstance(index, slice):
            return Encoded(self.buffers, self.places[index])
        buffer, start, length = self.places[index].tolist()
        if length < 0:
            raise PictureError("no picture in this row (null)")
        return bytes(self.buffers[buffer][start : start + length])

    def pick(self, indices: NDArray[np.intp]) -> Encoded:
        """Returns the pictures at `indices`, in that order."""
        return Encoded(self.buffers, self.places[indices])

    def pieces(self) -> Iterator[memoryview]:
        """Yields what tells these pictures from others, to be hashed: their lengths, then the bytes of each."""
        yield memoryview(self.places[:, 2].tobytes())
        for buffer, start, length in self.places.tolist():
            yield self.buffers[buffer][start : start + max(0, length)]


def joined(parts: Sequence[Encoded]) -> Encoded:
    """Returns the pictures of several, one after the other; no picture is copied."""
    buffers: list[memoryview] = []
    places = [np.empty((0, 3), np.int64)]
    for part in parts:
        places.append(part.places + np.array([len(buffers), 0, 0]))
        buffers += part.buffers
    return Encoded(buffers, np.concatenate(places))
