"""The first convolution of some models is not learned: its filters are the principal directions of small patches of
the training images, each divided by its spread (Page 2018; Jordan 2024, arXiv:2404.00498, section 3.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

WHITENING_LAYER = "whiten"
"""The name of such a layer; it has two filters a direction, one its negative, for the ReLU behind it."""

SAMPLE_SIZE = 2000  # looked at
EPSILON = 5e-4  # added to the variances, so that directions without any are not blown up


def init_whitening_layer(model: Any, pixels: NDArray[np.uint8], seed: int) -> None:
    """Fills in the model's whitening layer, if it has one, from some of the images, and lets it rest.

    Args:
        model: with a layer `rescale` before the layer `whiten`.
        pixels: (n, h, w, c) training images.
        seed: of the choice among them.
    """
    if WHITENING_LAYER not in {layer.name for layer in model.layers}:
        return
    layer, rescale = model.get_layer(WHITENING_LAYER), model.get_layer("rescale")
    side, _, channels, _ = layer.kernel.shape
    chosen = np.sort(np.random.default_rng(seed).permutation(len(pixels))[:SAMPLE_SIZE])
    scaled = pixels[chosen].astype(np.float32) * rescale.scale + rescale.offset
    windows = sliding_window_view(scaled, (side, side), axis=(1, 2))[:, ::side, ::side]  # n, y, x, c, side, side
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, side * side * channels)
    mean = patches.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(patches, rowvar=False))
    filters = directions / np.sqrt(variances + EPSILON)
    kernel = np.concatenate([filters, -filters], axis=1)
    layer.set_weights([kernel.reshape(side, side, channels, -1), -mean @ kernel])
    layer.trainable = False
