"""DenseNet: Huang, Liu, van der Maaten and Weinberger, Densely connected convolutional networks, arXiv:1608.06993,
2016.
"""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.resnet import apply_batch_norm, apply_conv, apply_stem
from striate.models.zoo.small_image_stem import is_small_image

GROWTH_RATE = 32
"""Maps that each layer adds to those it was given (k in section 3)."""

BLOCK_DEPTHS = (6, 12, 24, 16)
"""Layers of the four dense blocks (table 1, DenseNet-121)."""


def build_densenet121(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns four dense blocks, between which 1×1 convolutions halve the maps and poolings their sides (DenseNet-BC).

    Images under 112 pixels get the stem of stem.py. `dropout` is applied to the embedding; the paper has 0.2 after
    every convolution, but only where nothing is augmented (section 4.2).
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = apply_stem(layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images), has_small_stem=is_small_image(shape))
    for stage, depth in enumerate(BLOCK_DEPTHS, 1):
        for number in range(1, depth + 1):
            x = _apply_dense_layer(x, f"stage{stage}_block{number}")
        if stage < len(BLOCK_DEPTHS):
            x = _apply_transition_block(x, f"stage{stage}_transition")
    x = layers.ReLU(name="features")(apply_batch_norm(x, "features_bn"))
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="densenet121")


def _apply_dense_layer(x: Any, prefix: str) -> Any:
    """Returns the maps given, followed by GROWTH_RATE new ones made of all of them by 1×1 and 3×3 filters (eq. 2)."""
    _, layers = import_keras()
    y = layers.ReLU(name=f"{prefix}_relu1")(apply_batch_norm(x, f"{prefix}_bn1"))
    y = apply_conv(y, 4 * GROWTH_RATE, 1, f"{prefix}_conv1")
    y = layers.ReLU(name=f"{prefix}_relu2")(apply_batch_norm(y, f"{prefix}_bn2"))
    y = apply_conv(y, GROWTH_RATE, 3, f"{prefix}_conv2")
    return layers.Concatenate(name=f"{prefix}_concat")([x, y])


def _apply_transition_block(x: Any, prefix: str) -> Any:
    _, layers = import_keras()
    x = layers.ReLU(name=f"{prefix}_relu")(apply_batch_norm(x, f"{prefix}_bn"))
    x = apply_conv(x, x.shape[-1] // 2, 1, f"{prefix}_conv")
    return layers.AveragePooling2D(2, padding="same", name=f"{prefix}_pool")(x)


DENSENET121 = Architecture(
    name="densenet121",
    build=build_densenet121,
    title="DenseNet-121, growth rate 32",
    authors="Huang, Liu, van der Maaten and Weinberger",
    year=2016,
    source="Densely connected convolutional networks, arXiv:1608.06993, table 1",
    description="Every layer receives the feature maps of all layers before it in its block: the accuracy of ResNet "
    "with less than half of its parameters.",
)
