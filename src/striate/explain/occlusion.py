"""Where a picture must be covered for the answer to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from striate.explain.gradient import Array
    from striate.inference import Forward

BATCH = 256  # covered pictures at a time
SHARE = 5  # of a picture's side, that the square covers one of


def occlusion(answer: Forward, pictures: NDArray[np.uint8], classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in what is answered: how much the class's logit falls while a square covers the
    place, mean over the squares that do; 0 where it rises (Zeiler and Fergus, Visualizing and understanding
    convolutional networks, arXiv:1311.2901, section 4.2).

    The square has a fifth of the picture's side and the picture's mean colour; it moves by half its side.

    Args:
        answer: pictures (b, h, w, c) → (b, classes) logits, or logarithms of probabilities.
        pictures: (n, h, w, c).
        classes: the class of each.
    """
    return np.stack([_of_one(answer, one, int(label)) for one, label in zip(pictures, classes, strict=True)])


def _of_one(answer: Forward, picture: NDArray[np.uint8], label: int) -> Array:
    squares = list(_squares(*picture.shape[:2]))
    colour = np.round(picture.mean(axis=(0, 1))).astype(np.uint8)
    before = float(answer(picture[None])[0, label])
    fallen, covered = (np.zeros(picture.shape[:2]) for _ in range(2))
    for start in range(0, len(squares), BATCH):
        some = squares[start : start + BATCH]
        pictures = np.repeat(picture[None], len(some), axis=0)
        for one, square in zip(pictures, some, strict=True):
            one[square] = colour
        filled = (
            pictures if len(some) == BATCH or len(squares) < BATCH else np.resize(pictures, (BATCH, *picture.shape))
        )
        for square, logit in zip(some, answer(filled)[: len(some), label], strict=True):
            fallen[square] += before - float(logit)
            covered[square] += 1
    return np.maximum(fallen / covered, 0).astype(np.float32)


def squares_on(height: int, width: int) -> int:
    """Returns how many covered pictures are answered for one of this size."""
    return sum(1 for _ in _squares(height, width))


def _squares(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yields squares that together cover every place."""
    side = max(2, round(min(height, width) / SHARE))
    step = max(1, side // 2)
    for top in _starts(height, side, step):
        for left in _starts(width, side, step):
            yield slice(top, top + side), slice(left, left + side)


def _starts(length: int, side: int, step: int) -> list[int]:
    last = max(0, length - side)
    return sorted({*range(0, last, step), last})
