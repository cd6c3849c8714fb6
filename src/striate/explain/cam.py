"""Class activation maps: which places of a layer's maps speak for a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.explain.gradient import Array, Gradient


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
