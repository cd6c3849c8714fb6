"""The one rule by which models made for large photographs take small images.

At their own size these models thin an image out 32-fold: of 224 pixels they leave maps of 7×7, of 32 pixels a
single point. From 112 pixels on (half of 224, maps of about 4×4 at the end) their beginnings, the stems, are exactly
the papers'. Below, they thin out half as much:

- the first convolution is 3×3 at most (AlexNet, whose own is 11×11: 5×5) and thins out two-fold at most,
- where it did so to begin with, the last pooling before the blocks is left out,
- nothing is cut off at a border: convolutions and poolings are padded, so that odd sides round up.

At 28 and 32 pixels the last maps are then at least 2×2.
"""

from __future__ import annotations

from striate.models.architecture import Shape

MIN_NATIVE_SIDE = 112
"""The smaller side, pixels, from which on a model begins as its paper says."""


def is_small_image(shape: Shape) -> bool:
    """Returns whether images of this (height, width, channels) need the gentler stem."""
    return min(shape[:2]) < MIN_NATIVE_SIDE
