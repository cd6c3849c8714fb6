"""The tutorials' convolutional models."""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras


def build_cnn(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns convolutions of 32 and 64 3×3 filters, pooling, 128 units and a linear last layer.

    On images up to 32 pixels one pooling follows both convolutions (the four-networks tutorial); above, one
    follows each (the cats-and-dogs tutorial), which costs a quarter of the work. `dropout` is applied before the
    128 units at half its rate and after them.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 255, name="rescale")(images)
    x = _apply_conv(x, 32, 3, "conv1")
    if max(shape[:2]) > 32:
        x = _apply_max_pooling(x, "pool1")
    x = _apply_max_pooling(_apply_conv(x, 64, 3, "conv2"), "features")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout / 2, seed=seed, name="dropout1")(x) if dropout else x
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed + 1, name="dropout2")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="cnn")


def build_cnn_small(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns the digits tutorial's model: 32 5×5 filters, pooling, dropout, 128 units and a linear last layer.

    Of the dropout rates 0.2, 0.3 and 0.4 none was better on validation images than the noise of three seeds
    (0.9861, 0.9862 and 0.9862 on MNIST); the table has the middle one.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 255, name="rescale")(images)
    x = _apply_max_pooling(_apply_conv(x, 32, 5, "conv"), "features")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="cnn-small")


def build_cnn_fast(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns convolutions of 32 5×5 and 64 3×3 filters that halve the side by stride, each normalized, 128 units and a
    linear last layer.

    A stride does for a quarter of the work what a convolution and a pooling do; batch-norm forgets fast (momentum 0.8),
    so that one epoch is enough for its statistics. `dropout` is applied before the 128 units.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    for number, (filters, side) in enumerate(((32, 5), (64, 3)), 1):
        x = layers.Conv2D(filters, side, strides=2, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.8, name=f"norm{number}")(x)
        x = layers.ReLU(name="features" if number == 2 else f"relu{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    x = layers.Dense(128, use_bias=False, name="dense")(x)
    x = layers.ReLU(name="embedding")(layers.BatchNormalization(momentum=0.8, name="norm3")(x))
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="cnn-fast")


def _apply_conv(x: Any, filters: int, kernel_size: int, name: str) -> Any:
    """Unpadded, as the tutorials do it, where the maps are large enough to lose a border; padded otherwise."""
    padding = "valid" if min(x.shape[1:3]) >= kernel_size + 3 else "same"
    return import_keras()[1].Conv2D(filters, kernel_size, padding=padding, activation="relu", name=name)(x)


def _apply_max_pooling(x: Any, name: str) -> Any:
    return import_keras()[1].MaxPooling2D(2, name=name)(x)


CNN = Architecture(
    name="cnn",
    build=build_cnn,
    title="two convolutions of 32 and 64 filters, 128 units",
    authors="after LeCun and colleagues",
    year=1989,
    source="the four-networks and cats-and-dogs tutorials; idea: Backpropagation applied to handwritten zip code "
    "recognition, Neural Computation 1(4)",
    native_shape=(28, 28, 1),
    native_classes=10,
    description="Shared weights: what is learned about an edge in one place holds everywhere.",
)

CNN_SMALL = Architecture(
    name="cnn-small",
    build=build_cnn_small,
    title="one convolution of 32 filters, 128 units",
    authors="after LeCun and colleagues",
    year=1989,
    source="the digits tutorial",
    native_shape=(28, 28, 1),
    native_classes=10,
    description="The smallest model that shows what a convolution is good for.",
    dropout=0.3,
)

CNN_FAST = Architecture(
    name="cnn-fast",
    build=build_cnn_fast,
    title="two convolutions that stride, normalized, 128 units",
    authors="after Springenberg and colleagues",
    year=2014,
    source="idea: Striving for simplicity, arXiv:1412.6806, section 3; and Ioffe and Szegedy, arXiv:1502.03167",
    native_shape=(28, 28, 1),
    native_classes=10,
    description="Strides in place of pooling, and normalizes maps: digits are learned in one look at each of them.",
)
