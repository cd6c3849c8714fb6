"""The dense model of the four-networks tutorial: no convolution, every pixel joined to every unit."""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras


def build_mlp(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns 512 and 256 rectified units and a linear last layer, with dropout after each hidden layer."""
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 255, name="rescale")(images)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(512, activation="relu", name="features")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout1")(x) if dropout else x
    x = layers.Dense(256, activation="relu", name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed + 1, name="dropout2")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="mlp")


MLP = Architecture(
    name="mlp",
    build=build_mlp,
    title="multi-layer perceptron, 512 and 256 units",
    authors="Rumelhart, Hinton and Williams",
    year=1986,
    source="Learning representations by back-propagating errors, Nature 323; sizes as in the four-networks tutorial",
    native_shape=(28, 28, 1),
    native_classes=10,
    description="The baseline without convolution: it must learn the same stroke again at every place.",
)
