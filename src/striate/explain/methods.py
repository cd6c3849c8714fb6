"""Class activation maps: which places of a layer's maps speak for a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.explain.gradients import Array, Gradient

if TYPE_CHECKING:
    from striate.models.predictor import Forward


def grad_cam(slopes: Gradient, pictures: NDArray[np.uint8], classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits: the layer's maps, each weighted with its mean gradient, summed, and
    what speaks against the class left out (Selvaraju et al., Grad-CAM, arXiv:1610.02391, equations 1 and 2).
    """
    _, maps, gradients = slopes(pictures, classes)
    weights = gradients.mean(axis=(1, 2))
    return _enlarged(np.einsum("nhwc,nc->nhw", maps, weights), pictures)


def grad_cam_pp(slopes: Gradient, pictures: NDArray[np.uint8], classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, up to a factor a picture: as Grad-CAM, but places count by how much they would
    add alone, so that several objects of a class are all found (Chattopadhyay et al., Grad-CAM++, arXiv:1710.11063,
    equations 11 and 19, the score being the exponential of the logit).
    """
    _, maps, gradients = slopes(pictures, classes)
    second, third = gradients**2, gradients**3
    below = 2 * second + maps.sum(axis=(1, 2), keepdims=True) * third
    shares = np.divide(second, below, out=np.zeros_like(second), where=np.abs(below) > np.finfo(np.float32).tiny)
    weights = (shares * np.maximum(gradients, 0)).sum(axis=(1, 2))
    return _enlarged(np.einsum("nhwc,nc->nhw", maps, weights), pictures)


def _enlarged(maps: NDArray[Any], pictures: NDArray[np.uint8]) -> Array:
    import cv2

    heat = np.maximum(maps, 0).astype(np.float32)
    height, width = pictures.shape[1:3]
    return np.stack([np.asarray(cv2.resize(one, (width, height)), np.float32) for one in heat])  # bilinear


STEPS = 32


def saliency(slopes: Gradient, pictures: NDArray[np.uint8], classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits per grey level: the steepest channel's gradient, without its sign
    (Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, arXiv:1312.6034, section 3.1).
    """
    steepest: Array = np.abs(slopes(pictures, classes).gradients).max(axis=3)
    return steepest


def attributions(
    slopes: Gradient, pictures: NDArray[np.uint8], classes: NDArray[np.intp], *, baseline: float = 0.0
) -> Array:
    """Returns (n, h, w, c) float32, in logits: what each value adds on the straight way from a plain picture to this
    one (Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, arXiv:1703.01365, equation 1). Together
    they are the difference between the two pictures' logits.

    The integral is Gauss and Legendre's sum over 32 places.

    Args:
        slopes: with respect to the pixels.
        pictures: (n, h, w, c).
        classes: the class of each.
        baseline: grey level of the plain picture, 0..255; what does not differ from it can have no share.
    """
    places, weights = np.polynomial.legendre.leggauss(STEPS)
    way = pictures.astype(np.float32) - np.float32(baseline)
    total = np.zeros_like(way)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        total += np.float32(weight) * slopes(np.float32(baseline) + np.float32(place) * way, classes).gradients
    found: Array = way * total
    return found


def integrated_gradients(slopes: Gradient, pictures: NDArray[np.uint8], classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits: the sizes of the attributions against a black picture, channels
    together. What is black gets none, so that on bright things before a black ground the map has their shape, whatever
    the network has learnt (Adebayo et al., arXiv:1810.03292, section 5.1); the signs, in `attributions`, have not.
    """
    sizes: Array = np.abs(attributions(slopes, pictures, classes).sum(axis=3))
    return sizes


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
