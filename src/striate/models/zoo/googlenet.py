"""GoogLeNet: Szegedy et al., Going deeper with convolutions, 2014 (arXiv 1409.4842), table 1 and figure 2b."""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

MODULE_FILTERS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Inception module → filters of 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5 and behind the pooling: columns of table 1."""


def build_googlenet(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns GoogLeNet, without the two auxiliary classifiers and the local response normalization.

    Those helped gradients through 22 layers; here every convolution is batch-normalised, as the authors did a year
    later (Ioffe and Szegedy 2015, arXiv 1502.03167): on 1,000 MNIST images Adam at 1e-3 came in six epochs to a
    training loss of 0.08, without normalization to 1.6. Its offset takes the place of the bias and a scale is left out
    (the next convolution has one), so that the weights are as many as the paper's: 6,998,552 at 224×224×3 and 1000
    classes. Decay 0.9, epsilon 0.001. Below 112 pixels (models/stem.py) conv1 is 3×3 instead of 7×7, and the pooling
    after conv2 is left out.
    """
    keras, layers = import_keras()
    small = is_small_image(shape)
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    x = _apply_max_pooling(_apply_conv_bn_relu(x, 64, 3 if small else 7, "conv1", strides=2), "pool1")
    x = _apply_conv_bn_relu(_apply_conv_bn_relu(x, 64, 1, "conv2_reduce"), 192, 3, "conv2")
    x = x if small else _apply_max_pooling(x, "pool2")
    for module, filters in MODULE_FILTERS.items():
        if module in ("4a", "5a"):
            x = _apply_max_pooling(x, f"pool{int(module[0]) - 1}")
        x = _apply_inception_module(
            x, filters, f"inception{module}", "features" if module == "5b" else f"inception{module}"
        )
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="googlenet")


def _apply_inception_module(x: Any, filters: tuple[int, ...], prefix: str, name: str) -> Any:
    """Returns four views of the same maps side by side (figure 2b): 1×1, 3×3, 5×5 and pooled."""
    _, layers = import_keras()
    one, three_reduce, three, five_reduce, five, pooled = filters
    return layers.Concatenate(name=name)(
        [
            _apply_conv_bn_relu(x, one, 1, f"{prefix}_1x1"),
            _apply_conv_bn_relu(
                _apply_conv_bn_relu(x, three_reduce, 1, f"{prefix}_3x3_reduce"), three, 3, f"{prefix}_3x3"
            ),
            _apply_conv_bn_relu(
                _apply_conv_bn_relu(x, five_reduce, 1, f"{prefix}_5x5_reduce"), five, 5, f"{prefix}_5x5"
            ),
            _apply_conv_bn_relu(_apply_max_pooling(x, f"{prefix}_pool", strides=1), pooled, 1, f"{prefix}_pool_1x1"),
        ]
    )


def _apply_conv_bn_relu(x: Any, filters: int, kernel_size: int, name: str, strides: int = 1) -> Any:
    _, layers = import_keras()
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(scale=False, momentum=0.9, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _apply_max_pooling(x: Any, name: str, strides: int = 2) -> Any:
    return import_keras()[1].MaxPooling2D(3, strides=strides, padding="same", name=name)(x)


GOOGLENET = Architecture(
    name="googlenet",
    build=build_googlenet,
    title="GoogLeNet (Inception v1)",
    authors="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich",
    year=2014,
    source="Going deeper with convolutions, arXiv 1409.4842, table 1",
    description="Won ImageNet 2014 with a ninth of AlexNet's parameters, by combining filters of three sizes.",
    dropout=0.4,
)
