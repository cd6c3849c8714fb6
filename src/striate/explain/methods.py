"""Class activation maps: which places of a layer's maps speak for a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.explain.gradients import Array, GradientFunction

if TYPE_CHECKING:
    from striate.models.predictor import PredictFunction


def grad_cam(gradient_function: GradientFunction, images: NDArray[np.uint8], target_classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits: the layer's maps, each weighted with its mean gradient, summed, and
    what speaks against the class left out (Selvaraju et al., Grad-CAM, arXiv:1610.02391, equations 1 and 2).
    """
    _, maps, gradients = gradient_function(images, target_classes)
    weights = gradients.mean(axis=(1, 2))
    return _resize_heatmaps(np.einsum("nhwc,nc->nhw", maps, weights), images)


def grad_cam_pp(
    gradient_function: GradientFunction, images: NDArray[np.uint8], target_classes: NDArray[np.intp]
) -> Array:
    """Returns (n, h, w) ≥ 0 float32, up to a factor an image: as Grad-CAM, but places count by how much they would
    add alone, so that several objects of a class are all found (Chattopadhyay et al., Grad-CAM++, arXiv:1710.11063,
    equations 11 and 19, the score being the exponential of the logit).
    """
    _, maps, gradients = gradient_function(images, target_classes)
    second, third = gradients**2, gradients**3
    below = 2 * second + maps.sum(axis=(1, 2), keepdims=True) * third
    fractions = np.divide(second, below, out=np.zeros_like(second), where=np.abs(below) > np.finfo(np.float32).tiny)
    weights = (fractions * np.maximum(gradients, 0)).sum(axis=(1, 2))
    return _resize_heatmaps(np.einsum("nhwc,nc->nhw", maps, weights), images)


def _resize_heatmaps(maps: NDArray[Any], images: NDArray[np.uint8]) -> Array:
    import cv2

    heat = np.maximum(maps, 0).astype(np.float32)
    height, width = images.shape[1:3]
    return np.stack([np.asarray(cv2.resize(one, (width, height)), np.float32) for one in heat])  # bilinear


INTEGRATION_STEPS = 32


def saliency(gradient_function: GradientFunction, images: NDArray[np.uint8], target_classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits per grayscale level: the steepest channel's gradient, without its sign
    (Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, arXiv:1312.6034, section 3.1).
    """
    steepest: Array = np.abs(gradient_function(images, target_classes).gradients).max(axis=3)
    return steepest


def compute_signed_attributions(
    gradient_function: GradientFunction,
    images: NDArray[np.uint8],
    target_classes: NDArray[np.intp],
    *,
    baseline: float = 0.0,
) -> Array:
    """Returns (n, h, w, c) float32, in logits: what each value adds on the straight way from a plain image to this
    one (Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, arXiv:1703.01365, equation 1). Together
    they are the difference between the two images' logits.

    The integral is Gauss and Legendre's sum over 32 places.

    Args:
        gradient_function: with respect to the pixels.
        images: (n, h, w, c).
        target_classes: the class of each.
        baseline: grayscale level of the plain image, 0..255; what does not differ from it can have no share.
    """
    places, weights = np.polynomial.legendre.leggauss(INTEGRATION_STEPS)
    way = images.astype(np.float32) - np.float32(baseline)
    total = np.zeros_like(way)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        total += (
            np.float32(weight)
            * gradient_function(np.float32(baseline) + np.float32(place) * way, target_classes).gradients
        )
    found: Array = way * total
    return found


def integrated_gradients(
    gradient_function: GradientFunction, images: NDArray[np.uint8], target_classes: NDArray[np.intp]
) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in logits: the sizes of the attributions against a black image, channels
    together. What is black gets none, so that on bright things before a black ground the map has their shape, whatever
    the model has learned (Adebayo et al., arXiv:1810.03292, section 5.1); the signs, in `attributions`, have not.
    """
    sizes: Array = np.abs(compute_signed_attributions(gradient_function, images, target_classes).sum(axis=3))
    return sizes


OCCLUSION_BATCH_SIZE = 256  # covered images at a time
SQUARES_PER_SIDE = 5  # of an image's side, that the square covers one of


def occlusion(predict: PredictFunction, images: NDArray[np.uint8], target_classes: NDArray[np.intp]) -> Array:
    """Returns (n, h, w) ≥ 0 float32, in what is answered: how much the class's logit falls while a square covers the
    place, mean over the squares that do; 0 where it rises (Zeiler and Fergus, Visualizing and understanding
    convolutional networks, arXiv:1311.2901, section 4.2).

    The square has a fifth of the image's side and the image's mean color; it moves by half its side.

    Args:
        predict: images (b, h, w, c) → (b, classes) logits, or logarithms of probabilities.
        images: (n, h, w, c).
        target_classes: the class of each.
    """
    return np.stack(
        [_compute_occlusion(predict, one, int(label)) for one, label in zip(images, target_classes, strict=True)]
    )


def _compute_occlusion(predict: PredictFunction, image: NDArray[np.uint8], label: int) -> Array:
    squares = list(_iter_squares(*image.shape[:2]))
    color = np.round(image.mean(axis=(0, 1))).astype(np.uint8)
    before = float(predict(image[None])[0, label])
    fallen, covered = (np.zeros(image.shape[:2]) for _ in range(2))
    for start in range(0, len(squares), OCCLUSION_BATCH_SIZE):
        some = squares[start : start + OCCLUSION_BATCH_SIZE]
        images = np.repeat(image[None], len(some), axis=0)
        for one, square in zip(images, some, strict=True):
            one[square] = color
        filled = (
            images
            if len(some) == OCCLUSION_BATCH_SIZE or len(squares) < OCCLUSION_BATCH_SIZE
            else np.resize(images, (OCCLUSION_BATCH_SIZE, *image.shape))
        )
        for square, logit in zip(some, predict(filled)[: len(some), label], strict=True):
            fallen[square] += before - float(logit)
            covered[square] += 1
    return np.maximum(fallen / covered, 0).astype(np.float32)


def count_occlusions(height: int, width: int) -> int:
    """Returns how many covered images are answered for one of this size."""
    return sum(1 for _ in _iter_squares(height, width))


def _iter_squares(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yields squares that together cover every place."""
    side = max(2, round(min(height, width) / SQUARES_PER_SIDE))
    step = max(1, side // 2)
    for top in _list_offsets(height, side, step):
        for left in _list_offsets(width, side, step):
            yield slice(top, top + side), slice(left, left + side)


def _list_offsets(length: int, side: int, step: int) -> list[int]:
    last = max(0, length - side)
    return sorted({*range(0, last, step), last})
