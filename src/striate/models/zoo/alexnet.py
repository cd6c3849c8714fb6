"""AlexNet: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks,
NIPS 2012, section 3.5 and figure 2.
"""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

TOWERS = ("upper", "lower")
"""The two graphics cards of figure 2, each with half of the maps of every layer."""


def build_alexnet(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns AlexNet with the paper's two towers, which see each other's maps only in conv3 and from the pooling on.

    Left out is the local response normalization (section 3.3), which later work found to do nothing; initial weights
    follow He et al. 2015 instead of the paper's fixed deviation. 60,965,224 weights at 227×227×3 and 1000 classes.
    Below 112 pixels (models/stem.py) conv1 is 5×5 with stride 2 instead of 11×11 with stride 4, everything is padded,
    and the hidden layers have 1024 units instead of 4096.
    """
    keras, layers = import_keras()
    small = is_small_image(shape)
    padding, units = ("same", 1024) if small else ("valid", 4096)
    first = {"kernel_size": 5, "strides": 2} if small else {"kernel_size": 11, "strides": 4}
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    towers = {tower: _apply_conv(x, 48, f"conv1_{tower}", padding=padding, **first) for tower in TOWERS}
    for number, filters, side in ((2, 128, 5), (3, 192, 3), (4, 192, 3), (5, 128, 3)):
        if number in (2, 3):
            towers = {tower: _apply_max_pooling(x, f"pool{number - 1}_{tower}", padding) for tower, x in towers.items()}
        if number == 3:
            both = layers.Concatenate(name="exchange")(list(towers.values()))
            towers = dict.fromkeys(TOWERS, both)
        towers = {tower: _apply_conv(x, filters, f"conv{number}_{tower}", side) for tower, x in towers.items()}
    x = layers.Concatenate(name="features")(list(towers.values()))
    x = layers.Flatten(name="flatten")(_apply_max_pooling(x, "pool5", padding))
    for number, name in enumerate(("dense6", "embedding")):
        x = layers.Dense(units, activation="relu", kernel_initializer="he_uniform", name=name)(x)
        x = layers.Dropout(dropout, seed=seed + number, name=f"dropout{number + 6}")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="alexnet")


def _apply_conv(x: Any, filters: int, name: str, kernel_size: int, strides: int = 1, padding: str = "same") -> Any:
    return import_keras()[1].Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        activation="relu",
        kernel_initializer="he_uniform",
        name=name,
    )(x)


def _apply_max_pooling(x: Any, name: str, padding: str) -> Any:
    """Overlapping (section 3.4): 3×3 with stride 2."""
    return import_keras()[1].MaxPooling2D(3, strides=2, padding=padding, name=name)(x)


ALEXNET = Architecture(
    name="alexnet",
    build=build_alexnet,
    title="AlexNet",
    authors="Krizhevsky, Sutskever and Hinton",
    year=2012,
    source="ImageNet classification with deep convolutional neural networks, NIPS 2012, figure 2",
    description="Trained on two graphics cards, it beat every hand-made feature on ImageNet by ten points.",
    dropout=0.5,
    native_shape=(227, 227, 3),
)
