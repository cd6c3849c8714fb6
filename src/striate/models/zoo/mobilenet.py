"""MobileNet: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam, MobileNets: Efficient convolutional
neural networks for mobile vision applications, arXiv:1704.04861, 2017.
"""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.resnet import apply_batch_norm, apply_conv
from striate.models.zoo.small_image_stem import is_small_image

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""(filters, stride) of the thirteen depthwise separable convolutions (table 1).

The table says stride 2 in the last one too, but its maps stay 7×7.
"""


def build_mobilenet(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns thirteen pairs of a 3×3 convolution of each map alone and a 1×1 convolution of all (figure 3, right).

    Under 112 pixels the first convolution keeps every place (its stride is 2 otherwise), as stem.py says; there is
    no pooling to leave out. `dropout` is applied to the embedding; the paper names none.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    x = apply_conv(x, 32, 3, "stem_conv", strides=1 if is_small_image(shape) else 2)
    x = layers.ReLU(name="stem_relu")(apply_batch_norm(x, "stem_bn"))
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        prefix = f"block{number}"
        x = _apply_depthwise_conv(x, stride, f"{prefix}_depthwise")
        x = layers.ReLU(name=f"{prefix}_depthwise_relu")(apply_batch_norm(x, f"{prefix}_depthwise_bn"))
        x = apply_batch_norm(apply_conv(x, filters, 1, f"{prefix}_pointwise"), f"{prefix}_pointwise_bn")
        x = layers.ReLU(name="features" if number == len(BLOCKS) else f"{prefix}_pointwise_relu")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="mobilenet")


def _apply_depthwise_conv(x: Any, stride: int, name: str) -> Any:
    keras, layers = import_keras()
    # A filter sees one map's nine places. Keras counts all maps' as fan-in, and these nine as fan-out.
    initial = keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")
    return layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, depthwise_initializer=initial, name=name)(
        x
    )


MOBILENET = Architecture(
    name="mobilenet",
    build=build_mobilenet,
    title="MobileNet, width 1.0",
    authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam",
    year=2017,
    source="MobileNets: Efficient convolutional neural networks for mobile vision applications, arXiv:1704.04861, "
    "table 1",
    description="Depthwise separable convolutions: a ninth of the cost for one per cent of the accuracy, which made "
    "models for telephones possible.",
)
