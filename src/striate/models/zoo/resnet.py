"""ResNet: He, Zhang, Ren and Sun, Deep residual learning for image recognition, arXiv:1512.03385, 2015."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

ResidualBlock = Callable[[Any, int, int, str, str], Any]
"""(maps, filters, stride, prefix of the layers' names, name of the last one) → maps."""


def build_resnet(
    shape: Shape, classes: int, dropout: float, seed: int, *, name: str, block: ResidualBlock, depths: Sequence[int]
) -> Any:
    """Returns four stages of residual blocks, `depths` of them each, on 64, 128, 256 and 512 filters (table 1).

    The shortcut is the identity, and a 1×1 projection where the shape changes (option B of section 3.3). Images
    under 112 pixels get the stem of stem.py. `dropout` is applied to the embedding; the paper has none.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = apply_stem(layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images), has_small_stem=is_small_image(shape))
    for stage, depth in enumerate(depths, 1):
        for number in range(1, depth + 1):
            prefix = f"stage{stage}_block{number}"
            last = "features" if (stage, number) == (len(depths), depth) else f"{prefix}_relu"
            x = block(x, 64 * 2 ** (stage - 1), 2 if stage > 1 and number == 1 else 1, prefix, last)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def apply_stem(x: Any, *, has_small_stem: bool) -> Any:
    """Returns a quarter of the sides: 64 7×7 filters of stride 2 and a pooling (conv1 and the pooling of table 1).

    For small images half of them: 64 3×3 filters of stride 2, no pooling.
    """
    _, layers = import_keras()
    x = apply_conv(x, 64, 3 if has_small_stem else 7, "stem_conv", strides=2)
    x = layers.ReLU(name="stem_relu")(apply_batch_norm(x, "stem_bn"))
    return x if has_small_stem else layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)


def apply_basic_block(x: Any, filters: int, stride: int, prefix: str, output_name: str) -> Any:
    """Returns two 3×3 convolutions added to the shortcut (figure 5, left)."""
    _, layers = import_keras()
    y = apply_batch_norm(apply_conv(x, filters, 3, f"{prefix}_conv1", strides=stride), f"{prefix}_bn1")
    y = layers.ReLU(name=f"{prefix}_relu1")(y)
    y = apply_batch_norm(apply_conv(y, filters, 3, f"{prefix}_conv2"), f"{prefix}_bn2")
    y = layers.Add(name=f"{prefix}_add")([y, _build_projection(x, filters, stride, prefix)])
    return layers.ReLU(name=output_name)(y)


def apply_bottleneck_block(x: Any, filters: int, stride: int, prefix: str, output_name: str) -> Any:
    """Returns 1×1, 3×3 and four times as many 1×1 convolutions added to the shortcut (figure 5, right).

    The stride is that of the 3×3, not of the first 1×1 as in the paper, which never looked at three of four places:
    what everyone has done since, known as v1.5.
    """
    _, layers = import_keras()
    y = apply_batch_norm(apply_conv(x, filters, 1, f"{prefix}_conv1"), f"{prefix}_bn1")
    y = layers.ReLU(name=f"{prefix}_relu1")(y)
    y = apply_batch_norm(apply_conv(y, filters, 3, f"{prefix}_conv2", strides=stride), f"{prefix}_bn2")
    y = layers.ReLU(name=f"{prefix}_relu2")(y)
    y = apply_batch_norm(apply_conv(y, 4 * filters, 1, f"{prefix}_conv3"), f"{prefix}_bn3")
    y = layers.Add(name=f"{prefix}_add")([y, _build_projection(x, 4 * filters, stride, prefix)])
    return layers.ReLU(name=output_name)(y)


def _build_projection(x: Any, filters: int, stride: int, prefix: str) -> Any:
    if stride == 1 and x.shape[-1] == filters:
        return x
    x = apply_conv(x, filters, 1, f"{prefix}_shortcut", strides=stride)
    return apply_batch_norm(x, f"{prefix}_shortcut_bn")


def apply_conv(x: Any, filters: int, kernel_size: int, name: str, strides: int = 1) -> Any:
    """Returns the maps of a padded convolution without bias, which the normalization after it would take away.

    Initial weights: normal, variance 2 / fan-in (He et al., arXiv:1502.01852, eq. 10), cited in section 3.4.
    """
    _, layers = import_keras()
    return layers.Conv2D(
        filters, kernel_size, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def apply_batch_norm(x: Any, name: str) -> Any:
    """Returns normalized maps.

    The running averages keep 0.9 a step: at Keras' 0.99 they lag behind what a run of a few epochs has learned.
    """
    return import_keras()[1].BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def _define_resnet(layer_count: int, block: ResidualBlock, depths: Sequence[int], description: str) -> Architecture:
    name = f"resnet{layer_count}"
    return Architecture(
        name=name,
        build=partial(build_resnet, name=name, block=block, depths=depths),
        title=f"ResNet-{layer_count}",
        authors="He, Zhang, Ren and Sun",
        year=2015,
        source="Deep residual learning for image recognition, arXiv:1512.03385, table 1",
        description=description,
    )


RESNET18 = _define_resnet(
    18,
    apply_basic_block,
    (2, 2, 2, 2),
    "A block that only has to learn what to add to its input can be stacked almost without end: the shortcut that "
    "nearly every model since has kept.",
)
RESNET34 = _define_resnet(
    34,
    apply_basic_block,
    (3, 4, 6, 3),
    "Without shortcuts its 34 layers fit their own training images worse than 18 did, with them better: depth had "
    "been a problem of optimisation, not of overfitting.",
)
RESNET50 = _define_resnet(
    50,
    apply_bottleneck_block,
    (3, 4, 6, 3),
    "Narrow 3×3 convolutions between two 1×1 made depth affordable, and gave the field the yardstick that new models "
    "and new hardware are measured against.",
)
RESNET101 = _define_resnet(
    101,
    apply_bottleneck_block,
    (3, 4, 23, 3),
    "Put in VGG's place it found objects in COCO's photographs 28 % better, by its features alone: depth was worth it "
    "beyond ImageNet.",
)


def build_resnet_cifar(shape: Shape, classes: int, dropout: float, seed: int, *, name: str, depth: int) -> Any:
    """Returns three stages of `depth` blocks of two 3×3 convolutions, on 16, 32 and 64 filters: 6 · depth + 2 layers.

    Shortcuts have no weights (option A). Larger images get no gentler or harsher beginning: the maps stay as large
    as the image throughout the first stage. `dropout` is applied to the embedding; the paper has none.
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    x = apply_batch_norm(apply_conv(x, 16, 3, "stem_conv"), "stem_bn")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((16, 32, 64), 1):
        for number in range(1, depth + 1):
            prefix = f"stage{stage}_block{number}"
            last = "features" if (stage, number) == (3, depth) else f"{prefix}_relu"
            x = _apply_cifar_block(x, filters, 2 if stage > 1 and number == 1 else 1, prefix, last)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def _apply_cifar_block(x: Any, filters: int, stride: int, prefix: str, output_name: str) -> Any:
    _, layers = import_keras()
    y = apply_batch_norm(apply_conv(x, filters, 3, f"{prefix}_conv1", strides=stride), f"{prefix}_bn1")
    y = layers.ReLU(name=f"{prefix}_relu1")(y)
    y = apply_batch_norm(apply_conv(y, filters, 3, f"{prefix}_conv2"), f"{prefix}_bn2")
    y = layers.Add(name=f"{prefix}_add")([y, _build_padded_shortcut(x, filters, stride, prefix)])
    return layers.ReLU(name=output_name)(y)


def _build_padded_shortcut(x: Any, filters: int, stride: int, prefix: str) -> Any:
    """Returns every `stride`-th place of the maps, followed by as many maps of zeros as are missing (option A)."""
    _, layers = import_keras()
    if stride > 1:
        x = layers.AveragePooling2D(1, stride, name=f"{prefix}_subsample")(x)
    if missing := filters - x.shape[-1]:
        # Read as channels first, the last two axes are (width, channels): the layer then pads channels.
        pad = layers.ZeroPadding2D(((0, 0), (0, missing)), data_format="channels_first", name=f"{prefix}_zeros")
        x = pad(x)
    return x


def _define_cifar_resnet(depth: int, description: str) -> Architecture:
    number = 6 * depth + 2
    name = f"resnet{number}"
    return Architecture(
        name=name,
        build=partial(build_resnet_cifar, name=name, depth=depth),
        title=f"ResNet-{number} for CIFAR",
        authors="He, Zhang, Ren and Sun",
        year=2015,
        source="Deep residual learning for image recognition, arXiv:1512.03385, section 4.2 and table 6",
        description=description,
        native_shape=(32, 32, 3),
        native_classes=10,
    )


RESNET20 = _define_cifar_resnet(
    3, "Sixteen to sixty-four filters and a quarter of a million weights tell CIFAR-10's ten classes apart at 91 %."
)
RESNET32 = _define_cifar_resnet(
    5, "Twelve layers more than ResNet-20 and better by one per cent, where models without shortcuts got worse."
)
RESNET56 = _define_cifar_resnet(
    9,
    "Fifty-six layers at which a model without shortcuts cannot even fit its training images: here they get 93 %.",
)
