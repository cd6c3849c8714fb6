"""LeNet-5: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86(11), 1998, section II.B and figure 2.
"""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras


def build_lenet(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns LeNet-5 with three simplifications that became customary.

    C3 sees all six maps of S2 (table I leaves some out), subsampling is a plain average (the paper's has two
    weights per map), and the last layer is linear (the paper's measures distances to fixed codes). Images of 28
    pixels are padded to the paper's 32 by the first convolution; from 32 pixels on it is unpadded. Pixels are
    scaled so that 0 becomes -0.1 and 255 becomes 1.175 (section II.B). 61,706 weights at 32×32×1 and ten classes.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1.275 / 255, offset=-0.1, name="rescale")(images)
    x = _apply_conv(x, 6, "c1", is_padded=min(shape[:2]) < 32)
    x = _apply_subsampling(x, "s2")
    x = _apply_conv(x, 16, "c3", is_padded=min(x.shape[1:3]) < 6)
    x = _apply_subsampling(x, "s4")
    x = _apply_conv(x, 120, "features", is_padded=min(x.shape[1:3]) < 5)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    x = layers.Dense(84, activation="tanh", name="embedding")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="lenet")


def _apply_conv(x: Any, filters: int, name: str, *, is_padded: bool) -> Any:
    return import_keras()[1].Conv2D(filters, 5, padding="same" if is_padded else "valid", activation="tanh", name=name)(
        x
    )


def _apply_subsampling(x: Any, name: str) -> Any:
    return import_keras()[1].AveragePooling2D(2, name=name)(x)


LENET = Architecture(
    name="lenet",
    build=build_lenet,
    title="LeNet-5",
    authors="LeCun, Bottou, Bengio and Haffner",
    year=1998,
    source="Gradient-based learning applied to document recognition, Proceedings of the IEEE 86(11), figure 2",
    native_shape=(32, 32, 1),
    native_classes=10,
    description="Read the amounts on a tenth of the cheques in the United States, years before the word deep learning.",
)
