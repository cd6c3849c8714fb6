"""The model of airbench94: Jordan, 94 % on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024,
section 3.1 and listing 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.models.architecture import Architecture, Shape, import_keras

BLOCK_WIDTHS = (64, 256, 256)
HALF_BLOCK_WIDTHS = (64, 128, 256)


def build_airbench(
    shape: Shape,
    classes: int,
    dropout: float,
    seed: int,
    *,
    widths: tuple[int, ...] = BLOCK_WIDTHS,
    name: str = "airbench",
) -> Any:
    """Returns a whitening convolution, three blocks of two 3×3 convolutions and a linear last layer.

    As in the paper: the first convolution, over 2×2 pixels, has as many filters as there are whitened directions in
    such a patch, twice (a training fills them in from the images, see training/whitening.py); the others begin by
    handing their input on; each block pools after its first convolution, before it normalizes; the last maps are
    pooled by their maximum and divided by nine. Unlike it: ReLU for GELU, which costs a processor more than it gains.

    The maps begin at about 32×32 whatever the image: above 40 pixels the first convolution looks at patches side by
    side (2×2; 4×4 above 80), of which the whitened directions leave nothing out. Below 24 pixels the last blocks do
    not pool.
    """
    keras, layers = import_keras()
    side = min(shape[:2])
    patch, stride = (2, 1) if side <= 40 else (2, 2) if side <= 80 else (4, 4)
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    filters = 2 * patch * patch * shape[2]
    x = layers.Conv2D(filters, patch, stride, padding="valid" if side >= 8 else "same", name="whiten")(x)
    x = layers.ReLU(name="whiten_relu")(x)
    for block, width in enumerate(widths, 1):
        x = _apply_dirac_conv(x, width, f"block{block}_conv1")
        if min(x.shape[1:3]) >= 6 or (block == 1 and min(x.shape[1:3]) >= 2):
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        x = _apply_norm_relu(x, f"block{block}_1")
        x = _apply_norm_relu(
            _apply_dirac_conv(x, width, f"block{block}_conv2"), f"block{block}_2", is_features=block == len(widths)
        )
    x = layers.GlobalMaxPooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    x = layers.Rescaling(1 / 9, name="temper")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def build_airbench_half(shape: Shape, classes: int, dropout: float, seed: int) -> Any:
    """Returns the same with 128 filters in its second block, which nearly halves the work."""
    return build_airbench(shape, classes, dropout, seed, widths=HALF_BLOCK_WIDTHS, name="airbench-half")


def _apply_dirac_conv(x: Any, filters: int, name: str) -> Any:
    keras, layers = import_keras()
    layer = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)
    x = layer(x)
    layer.kernel.assign(_initialize_dirac(np.array(keras.ops.convert_to_numpy(layer.kernel))))
    return x


def _initialize_dirac(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the (height, width, in, out) kernel with its first filters changed so that each hands one of its input
    maps on as it is; the rest stay random (section 3.3).
    """
    height, width, *maps = kernel.shape
    place = np.arange(min(maps))
    kernel[..., place] = 0
    kernel[height // 2, width // 2, place, place] = 1
    return kernel


def _apply_norm_relu(x: Any, name: str, *, is_features: bool = False) -> Any:
    _, layers = import_keras()
    x = layers.BatchNormalization(momentum=0.8, scale=False, name=f"{name}_norm")(x)
    return layers.ReLU(name="features" if is_features else f"{name}_relu")(x)


AIRBENCH = Architecture(
    name="airbench",
    build=build_airbench,
    title="airbench94",
    authors="Jordan",
    year=2024,
    source="94 % on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, listing 4",
    native_shape=(32, 32, 3),
    native_classes=10,
    description="Tuned for speed over years: six wide convolutions behind a whitened first layer.",
)

AIRBENCH_HALF = Architecture(
    name="airbench-half",
    build=build_airbench_half,
    title="airbench94 with a narrower second block",
    authors="after Jordan",
    year=2024,
    source="94 % on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, listing 4, with widths 64, 128 and 256",
    native_shape=(32, 32, 3),
    native_classes=10,
    description="The same for a processor: a laptop learns as much in half the time.",
)
