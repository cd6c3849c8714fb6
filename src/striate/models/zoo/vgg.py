"""VGG: Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2014
(arXiv 1409.1556), table 1; and the small one of the four-networks tutorial.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

BLOCK_FILTERS = (64, 128, 256, 512, 512)
"""Of the five blocks (table 1)."""

CONVS_BY_DEPTH = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Layers with weights → convolutions in each block: configurations A, B, D and E of table 1."""


def build_vgg(depth: int, shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns the VGG of 11, 13, 16 or 19 layers: 3×3 convolutions only, in five blocks with a pooling after each.

    Initial weights follow He et al. 2015; the paper trained its deep models from a trained shallow one.
    132,863,336, 133,047,848, 138,357,544 and 143,667,240 weights at 224×224×3 and 1000 classes.

    Below 112 pixels it is the variant of Liu and Deng (Very deep convolutional neural network based image
    classification using small training sample size, ACPR 2015): batch normalization after every convolution and one
    hidden layer of 512 units instead of two of 4096. There pooling rounds odd sides up.
    """
    keras, layers = import_keras()
    small = is_small_image(shape)
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    for block, (filters, count) in enumerate(zip(BLOCK_FILTERS, CONVS_BY_DEPTH[depth], strict=True), start=1):
        for number in range(1, count + 1):
            last = (block, number) == (len(BLOCK_FILTERS), count)
            x = _apply_conv_relu(x, filters, f"block{block}_conv{number}", has_batch_norm=small, is_features=last)
        x = layers.MaxPooling2D(2, padding="same" if small else "valid", name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    units = (512,) if small else (4096, 4096)
    for number, width in enumerate(units, start=1):
        name = "embedding" if number == len(units) else f"dense{number}"
        x = layers.Dense(width, activation="relu", kernel_initializer="he_uniform", name=name)(x)
        x = layers.Dropout(dropout, seed=seed + number, name=f"dropout{number}")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name=f"vgg{depth}")


def build_vgg_small(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns blocks of two normalized 3×3 convolutions and a pooling, 128 units and a linear last layer.

    Of the blocks with 64, 128 and 256 filters, images whose smaller side is under 32 pixels get the first two, which
    halves the work on 28×28 digits; from 32 pixels on there are three.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    blocks = BLOCK_FILTERS[:2] if min(shape[:2]) < 32 else BLOCK_FILTERS[:3]
    for block, filters in enumerate(blocks, start=1):
        x = _apply_conv_relu(x, filters, f"block{block}_conv1", has_batch_norm=True)
        x = _apply_conv_relu(x, filters, f"block{block}_conv2", has_batch_norm=True, is_features=block == len(blocks))
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", kernel_initializer="he_uniform", name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="vgg-small")


def _apply_conv_relu(x: Any, filters: int, name: str, *, has_batch_norm: bool, is_features: bool = False) -> Any:
    """A padded 3×3 convolution, optionally normalized (decay 0.9, epsilon 0.001), rectified; the last is `features`."""
    _, layers = import_keras()
    convolution = partial(layers.Conv2D, filters, 3, padding="same", kernel_initializer="he_uniform")
    if not has_batch_norm:
        return convolution(activation="relu", name="features" if is_features else name)(x)
    x = convolution(use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name="features" if is_features else f"{name}_relu")(x)


def _define_vgg(depth: int, configuration: str, description: str) -> Architecture:
    return Architecture(
        name=f"vgg{depth}",
        build=partial(build_vgg, depth),
        title=f"VGG, {depth} layers",
        authors="Simonyan and Zisserman",
        year=2014,
        source="Very deep convolutional networks for large-scale image recognition, arXiv 1409.1556, table 1, "
        f"configuration {configuration}; small images: Liu and Deng, ACPR 2015",
        description=description,
        dropout=0.5,
    )


VGG11 = _define_vgg(11, "A", "Shallow enough to learn from random weights, it lent its layers to its deeper sisters.")
VGG13 = _define_vgg(
    13, "B", "Two 3×3 convolutions see as far as one 5×5, with fewer weights and one more bend in between."
)
VGG16 = _define_vgg(16, "D", "Nothing but 3×3 convolutions, sixteen layers deep: the backbone a generation borrowed.")
VGG19 = _define_vgg(
    19, "E", "As deep as plain stacking went before it stopped paying, which is where residual models began."
)

VGG_SMALL = Architecture(
    name="vgg-small",
    build=build_vgg_small,
    title="two or three blocks of VGG, 128 units",
    authors="after Simonyan and Zisserman",
    year=2014,
    source="the four-networks tutorial; idea: Very deep convolutional networks for large-scale image recognition, "
    "arXiv 1409.1556",
    native_shape=(28, 28, 1),
    native_classes=10,
    description="VGG for a laptop: pairs of 3×3 filters, then half the side and twice the channels.",
    dropout=0.5,
)
