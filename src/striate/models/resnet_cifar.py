"""The ResNets for CIFAR-10: He, Zhang, Ren and Sun, Deep residual learning for image recognition, arXiv:1512.03385,
2015, section 4.2.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from striate.models.architecture import Architecture, Shape, keras_layers
from striate.models.resnet import batch_norm, convolution


def build_resnet_cifar(shape: Shape, classes: int, dropout: float, seed: int, *, name: str, depth: int) -> Any:
    """Returns three stages of `depth` blocks of two 3×3 convolutions, on 16, 32 and 64 filters: 6 · depth + 2 layers.

    Shortcuts have no weights (option A). Larger pictures get no gentler or harsher beginning: the maps stay as large
    as the picture throughout the first stage. `dropout` is applied to the embedding; the paper has none.
    """
    keras, layers = keras_layers()
    pictures = keras.Input(shape, name="pictures")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pictures)
    x = batch_norm(convolution(x, 16, 3, "stem_conv"), "stem_bn")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((16, 32, 64), 1):
        for number in range(1, depth + 1):
            prefix = f"stage{stage}_block{number}"
            last = "features" if (stage, number) == (3, depth) else f"{prefix}_relu"
            x = _block(x, filters, 2 if stage > 1 and number == 1 else 1, prefix, last)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(pictures, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def _block(x: Any, filters: int, stride: int, prefix: str, last: str) -> Any:
    _, layers = keras_layers()
    y = batch_norm(convolution(x, filters, 3, f"{prefix}_conv1", strides=stride), f"{prefix}_bn1")
    y = layers.ReLU(name=f"{prefix}_relu1")(y)
    y = batch_norm(convolution(y, filters, 3, f"{prefix}_conv2"), f"{prefix}_bn2")
    y = layers.Add(name=f"{prefix}_add")([y, _build_padded_shortcut(x, filters, stride, prefix)])
    return layers.ReLU(name=last)(y)


def _build_padded_shortcut(x: Any, filters: int, stride: int, prefix: str) -> Any:
    """Returns every `stride`-th place of the maps, followed by as many maps of zeros as are missing (option A)."""
    _, layers = keras_layers()
    if stride > 1:
        x = layers.AveragePooling2D(1, stride, name=f"{prefix}_subsample")(x)
    if missing := filters - x.shape[-1]:
        # Read as channels first, the last two axes are (width, channels): the layer then pads channels.
        pad = layers.ZeroPadding2D(((0, 0), (0, missing)), data_format="channels_first", name=f"{prefix}_zeros")
        x = pad(x)
    return x


def _resnet_cifar(depth: int, story: str) -> Architecture:
    number = 6 * depth + 2
    name = f"resnet{number}"
    return Architecture(
        name=name,
        build=partial(build_resnet_cifar, name=name, depth=depth),
        title=f"ResNet-{number} for CIFAR",
        authors="He, Zhang, Ren and Sun",
        year=2015,
        source="Deep residual learning for image recognition, arXiv:1512.03385, section 4.2 and table 6",
        story=story,
        native=(32, 32, 3),
        native_classes=10,
    )


RESNET20 = _resnet_cifar(
    3, "Sixteen to sixty-four filters and a quarter of a million weights tell CIFAR-10's ten classes apart at 91 %."
)
RESNET32 = _resnet_cifar(
    5, "Twelve layers more than ResNet-20 and better by one per cent, where networks without shortcuts got worse."
)
RESNET56 = _resnet_cifar(
    9,
    "Fifty-six layers at which a network without shortcuts cannot even fit its training pictures: here they get 93 %.",
)
