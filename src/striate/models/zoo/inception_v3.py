"""Inception v3: Szegedy et al., Rethinking the Inception architecture for computer vision, 2015 (arXiv 1512.00567),
table 1, figures 5 to 7 and 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

ConvSpec = tuple[int, tuple[int, int]]
"""(filters, (height, width)) of one convolution."""

FAN_KERNEL_SIZES = ((1, 3), (3, 1))
"""(height, width) of the filters that lie side by side on the coarsest grid (figure 7)."""


def build_inception_v3(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns Inception v3, without the auxiliary classifier.

    Every convolution is batch-normalised without a scale of its own (the next convolution has one), decay 0.9 and
    epsilon 0.001, and rectified. Where table 1 and the authors' published model differ this is the model: the
    stem's 80 filters are 1×1, and a pooling, not a stride, follows its 192. 23,817,352 trainable weights at 299×299×3
    and 1000 classes. Below 112 pixels (models/stem.py) everything is padded and that pooling is left out.
    """
    keras, layers = import_keras()
    small = is_small_image(shape)
    padding = "same" if small else "valid"
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    x = _apply_conv_bn_relu(x, 32, (3, 3), "stem_conv1", strides=2, padding=padding)
    x = _apply_conv_bn_relu(x, 32, (3, 3), "stem_conv2", padding=padding)
    x = _apply_conv_bn_relu(x, 64, (3, 3), "stem_conv3")
    x = layers.MaxPooling2D(3, strides=2, padding=padding, name="stem_pool1")(x)
    x = _apply_conv_bn_relu(x, 80, (1, 1), "stem_conv4")
    x = _apply_conv_bn_relu(x, 192, (3, 3), "stem_conv5", padding=padding)
    x = x if small else layers.MaxPooling2D(3, strides=2, name="stem_pool2")(x)

    for block, pooled in enumerate((32, 64, 64), start=1):
        x = _apply_inception_module(x, pooled, f"stage1_block{block}")
    x = _apply_reduction_module(x, "reduction1", padding, [[(384, (3, 3))], [(64, (1, 1)), (96, (3, 3)), (96, (3, 3))]])
    for block, filters in enumerate((128, 160, 160, 192), start=1):
        x = _apply_factorized_module(x, filters, f"stage2_block{block}")
    lines = [(192, (1, 1)), (192, (1, 7)), (192, (7, 1)), (192, (3, 3))]
    x = _apply_reduction_module(x, "reduction2", padding, [[(192, (1, 1)), (320, (3, 3))], lines])
    x = _apply_expanded_module(x, "stage3_block1", "stage3_block1")
    x = _apply_expanded_module(x, "stage3_block2", "features")

    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name="inception_v3")


def _apply_inception_module(x: Any, pool_filters: int, name: str) -> Any:
    """Figure 5, with the 5×5 of figure 4 in one branch and two 3×3 that see as far in another."""
    return _merge_branches(
        [
            _apply_conv_chain(x, [(64, (1, 1))], f"{name}_a"),
            _apply_conv_chain(x, [(48, (1, 1)), (64, (5, 5))], f"{name}_b"),
            _apply_conv_chain(x, [(64, (1, 1)), (96, (3, 3)), (96, (3, 3))], f"{name}_c"),
            _apply_pool_branch(x, pool_filters, f"{name}_d"),
        ],
        name,
    )


def _apply_factorized_module(x: Any, filters: int, name: str) -> Any:
    """Figure 6 with n = 7: a 7×7 convolution as 1×7 and 7×1, once and twice."""
    across, upright = (filters, (1, 7)), (filters, (7, 1))
    return _merge_branches(
        [
            _apply_conv_chain(x, [(192, (1, 1))], f"{name}_a"),
            _apply_conv_chain(x, [(filters, (1, 1)), across, (192, (7, 1))], f"{name}_b"),
            _apply_conv_chain(x, [(filters, (1, 1)), upright, across, upright, (192, (1, 7))], f"{name}_c"),
            _apply_pool_branch(x, 192, f"{name}_d"),
        ],
        name,
    )


def _apply_expanded_module(x: Any, prefix: str, name: str) -> Any:
    """Figure 7: 1×3 and 3×1 side by side instead of in a row, for many maps on the coarsest grid."""
    branches = [_apply_conv_chain(x, [(320, (1, 1))], f"{prefix}_a")]
    for branch, steps in (("b", [(384, (1, 1))]), ("c", [(448, (1, 1)), (384, (3, 3))])):
        stalk = _apply_conv_chain(x, steps, f"{prefix}_{branch}")
        branches += [
            _apply_conv_bn_relu(stalk, 384, side, f"{prefix}_{branch}_{side[0]}x{side[1]}") for side in FAN_KERNEL_SIZES
        ]
    return _merge_branches([*branches, _apply_pool_branch(x, 192, f"{prefix}_d")], name)


def _apply_reduction_module(x: Any, name: str, padding: str, branches: Sequence[Sequence[ConvSpec]]) -> Any:
    """Figure 10: half the side and more maps, by strided convolutions beside a pooling."""
    ends = []
    for letter, steps in zip("ab", branches, strict=True):
        stalk = _apply_conv_chain(x, steps[:-1], f"{name}_{letter}")
        filters, side = steps[-1]
        last = f"{name}_{letter}_conv{len(steps)}"
        ends.append(_apply_conv_bn_relu(stalk, filters, side, last, strides=2, padding=padding))
    pooling = import_keras()[1].MaxPooling2D(3, strides=2, padding=padding, name=f"{name}_pool")
    return _merge_branches([*ends, pooling(x)], name)


def _apply_conv_chain(x: Any, steps: Sequence[ConvSpec], prefix: str) -> Any:
    for number, (filters, side) in enumerate(steps, start=1):
        x = _apply_conv_bn_relu(x, filters, side, f"{prefix}_conv{number}")
    return x


def _apply_pool_branch(x: Any, filters: int, prefix: str) -> Any:
    x = import_keras()[1].AveragePooling2D(3, strides=1, padding="same", name=f"{prefix}_pool")(x)
    return _apply_conv_bn_relu(x, filters, (1, 1), f"{prefix}_conv1")


def _merge_branches(branches: list[Any], name: str) -> Any:
    return import_keras()[1].Concatenate(name=name)(branches)


def _apply_conv_bn_relu(
    x: Any, filters: int, kernel_size: tuple[int, int], name: str, strides: int = 1, padding: str = "same"
) -> Any:
    _, layers = import_keras()
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(scale=False, momentum=0.9, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


INCEPTION_V3 = Architecture(
    name="inception_v3",
    build=build_inception_v3,
    title="Inception v3",
    authors="Szegedy, Vanhoucke, Ioffe, Shlens and Wojna",
    year=2015,
    source="Rethinking the Inception architecture for computer vision, arXiv 1512.00567, table 1",
    description="Factorizes large filters and normalizes every layer: fewer errors than VGG for a third of its cost.",
    dropout=0.2,
    native_shape=(299, 299, 3),
)
