"""How much each pixel matters, by the logit's gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.explain.gradient import Array, Gradient

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
