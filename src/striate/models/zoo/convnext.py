"""ConvNeXt: Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, A ConvNet for the 2020s, arXiv:2201.03545, 2022."""

from __future__ import annotations

from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.zoo.small_image_stem import is_small_image

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))
"""(maps, blocks) of ConvNeXt-T (table 9)."""


def build_convnext_tiny(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns four stages of blocks of a 7×7 convolution of each map alone and two 1×1 convolutions (figure 4).

    Under 112 pixels the stem is 3×3 filters of stride 2, as stem.py says, instead of 4×4 of stride 4. `dropout` is
    the rate of stochastic depth in the last block: rates rise linearly from 0 in the first (Huang et al.,
    arXiv:1603.09382, eq. 4).
    """
    keras, layers = import_keras()
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    stem = _create_conv(3, STAGES[0][0], "stem_conv", strides=2) if is_small_image(shape) else None
    x = (stem or _create_conv(4, STAGES[0][0], "stem_conv", strides=4))(x)
    x = _apply_layer_norm(x, "stem_norm")
    total, done = sum(depth for _, depth in STAGES), 0
    for stage, (maps, depth) in enumerate(STAGES, 1):
        if stage > 1:
            x = _apply_layer_norm(x, f"stage{stage}_downsample_norm")
            x = _create_conv(2, maps, f"stage{stage}_downsample", strides=2)(x)
        for number in range(1, depth + 1):
            last = "features" if done == total - 1 else f"stage{stage}_block{number}_add"
            x = _apply_convnext_block(
                x, f"stage{stage}_block{number}", last, dropout * (done / (total - 1)), seed + done
            )
            done += 1
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = _apply_layer_norm(x, "embedding")
    logits = layers.Dense(classes, kernel_initializer=_create_initializer(), dtype="float32", name="logits")
    return keras.Model(images, logits(x), name="convnext-tiny")


def _apply_convnext_block(x: Any, prefix: str, output_name: str, drop_rate: float, seed: int) -> Any:
    """Returns the maps plus what was found in them: nothing in a share `drop_rate` of the images, while training."""
    keras, layers = import_keras()
    maps = x.shape[-1]
    depthwise = layers.DepthwiseConv2D(
        7, padding="same", depthwise_initializer=_create_initializer(), name=f"{prefix}_depthwise"
    )
    y = _apply_layer_norm(depthwise(x), f"{prefix}_norm")
    y = _create_conv(1, 4 * maps, f"{prefix}_expand")(y)
    y = layers.Activation("gelu", name=f"{prefix}_gelu")(y)
    y = _create_conv(1, maps, f"{prefix}_reduce")(y)
    scale = layers.DepthwiseConv2D(
        1, use_bias=False, depthwise_initializer=keras.initializers.Constant(1e-6), name=f"{prefix}_scale"
    )
    y = scale(y)
    if drop_rate:
        y = layers.Dropout(drop_rate, noise_shape=(None, 1, 1, 1), seed=seed, name=f"{prefix}_drop")(y)
    return layers.Add(name=output_name)([x, y])


def _create_conv(kernel_size: int, filters: int, name: str, strides: int = 1) -> Any:
    _, layers = import_keras()
    return layers.Conv2D(
        filters, kernel_size, strides, padding="same", kernel_initializer=_create_initializer(), name=name
    )


def _apply_layer_norm(x: Any, name: str) -> Any:
    return import_keras()[1].LayerNormalization(epsilon=1e-6, name=name)(x)


def _create_initializer() -> Any:
    return import_keras()[0].initializers.TruncatedNormal(stddev=0.02)


CONVNEXT_TINY = Architecture(
    name="convnext-tiny",
    build=build_convnext_tiny,
    title="ConvNeXt-T",
    authors="Liu, Mao, Wu, Feichtenhofer, Darrell and Xie",
    year=2022,
    source="A ConvNet for the 2020s, arXiv:2201.03545, figure 4 and table 9",
    description="A ResNet that takes over the design of vision transformers step by step, until it outperforms them.",
    dropout=0.1,
)
