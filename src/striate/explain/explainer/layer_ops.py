"""What a layer computes, in words and numbers that a page can follow.

kind        settings                              weights                    value at (y, x, c)
conv        window strides dilation before groups activation   kernel bias   sum over window and channels
depthwise   window strides dilation before activation          kernel bias   sum over the window, channel by channel
dense       activation                            kernel bias                sum over all inputs
scale                                             scale shift                value · scale + shift, channel by channel
norm        epsilon                               mean variance gamma beta   (value − mean) / √(variance + ε) · γ + β
layernorm   epsilon                               gamma beta                 the same over the channels of one place
activation  activation                                                       a function of the value
maxpool, avgpool   window strides before                                     over the window, padding left out
globalavg, globalmax                                                         over all places
identity, reshape                                                            the value
pad         pads                                                             zeros around
crop        pads                                                             the middle
add, multiply, subtract, average, maximum, minimum, concatenate              of all inputs, which may be one wide
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.models.cost import padding_before
from striate.system.backend import keras

Array = NDArray[np.float32]

FUNCTIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "tanh", "sigmoid", "hard_sigmoid", "silu", "hard_silu", "gelu", "elu"),
    *("selu", "softplus", "softsign", "exponential"),
)
"""Activations that the page knows, by Keras' names."""

MERGES = {
    "Add": "add",
    "Multiply": "multiply",
    "Subtract": "subtract",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
}

AT_REST = (
    *("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Identity"),
    *("ActivityRegularization",),
)
"""Layers that do nothing once a network has learnt."""


ONE_BY_ONE = {"window": [1, 1], "strides": [1, 1], "dilation": [1, 1], "before": [0, 0], "groups": 1}
"""A convolution that looks at one place."""


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """What is computed: see the module's table. `shape` is given where it is not that of the layer's output."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    shape: tuple[int, ...] = ()


OTHER = Arithmetic("other")


def arithmetic(node: Any) -> list[Arithmetic]:
    """Returns what a node of Keras computes, in one part or several; `other` where the page cannot follow."""
    layer = node.operation
    name = type(layer).__name__
    if getattr(layer, "data_format", "channels_last") != "channels_last" and name not in ("ZeroPadding2D", "Flatten"):
        return [OTHER]
    if name in MERGES:
        return [_merge(node, MERGES[name])]
    if name in AT_REST:
        return [Arithmetic("identity", {"rate": float(getattr(layer, "rate", 0))})]
    known = KNOWN.get(name)
    return known(layer, node.input_tensors[0].shape[1:]) if known else [OTHER]


def _values(variable: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


def _activation(layer: Any) -> dict[str, Any] | None:
    """Returns the settings of its activation; None for one that the page does not know."""
    function = layer.activation
    name = getattr(function, "__name__", None)
    if name not in FUNCTIONS:
        return None
    return {"activation": name, "approximate": False} if name == "gelu" else {"activation": name}


def _sliding(layer: Any, shape: tuple[int, ...], window: tuple[int, int]) -> dict[str, Any]:
    """Returns window, strides and dilation as (down, right), and the zeros before the first row and column."""
    dilation = tuple(getattr(layer, "dilation_rate", (1, 1)))
    wide = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    before = [
        padding_before(side, size, stride) if layer.padding == "same" else 0
        for side, size, stride in zip(shape, wide, layer.strides, strict=False)
    ]
    return {"window": list(window), "strides": list(layer.strides), "dilation": list(dilation), "before": before}


def _convolution(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    activation = _activation(layer)
    if activation is None or layer.padding not in ("same", "valid"):
        return [OTHER]
    settings = {**_sliding(layer, shape, layer.kernel_size), **activation, "groups": int(layer.groups)}
    return [Arithmetic("conv", settings, _kernel(layer.kernel, layer))]


def _depthwise(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    activation = _activation(layer)
    if activation is None:
        return [OTHER]
    settings = {**_sliding(layer, shape, layer.kernel_size), **activation}
    return [Arithmetic("depthwise", settings, _kernel(layer.kernel, layer))]


def _separable(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    """A separable convolution is two steps."""
    activation = _activation(layer)
    if activation is None:
        return [OTHER]
    depthwise, pointwise = _values(layer.depthwise_kernel), _values(layer.pointwise_kernel)
    between = (*layer.compute_output_shape((None, *shape))[1:3], pointwise.shape[2])
    slid = {**_sliding(layer, shape, layer.kernel_size), "activation": "linear"}
    weights = {"kernel": pointwise, **({"bias": _values(layer.bias)} if layer.use_bias else {})}
    return [
        Arithmetic("depthwise", slid, {"kernel": depthwise}, between),
        Arithmetic("conv", {**ONE_BY_ONE, **activation}, weights),
    ]


def _dense(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    activation = _activation(layer)
    if activation is None or len(shape) not in (1, 3):
        return [OTHER]
    weights = _kernel(layer.kernel, layer)
    if len(shape) == 1:
        return [Arithmetic("dense", activation, weights)]
    return [Arithmetic("conv", {**ONE_BY_ONE, **activation}, {**weights, "kernel": weights["kernel"][None, None]})]


def _kernel(kernel: Any, layer: Any) -> dict[str, Array]:
    return {"kernel": _values(kernel), **({"bias": _values(layer.bias)} if layer.use_bias else {})}


def _batch_norm(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    if layer.axis not in (-1, len(shape)):
        return [OTHER]
    weights = {"mean": _values(layer.moving_mean), "variance": _values(layer.moving_variance)}
    weights |= {"gamma": _values(layer.gamma)} if layer.scale else {}
    weights |= {"beta": _values(layer.beta)} if layer.center else {}
    return [Arithmetic("norm", {"epsilon": float(layer.epsilon)}, weights)]


def _layer_norm(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    axis = layer.axis if isinstance(layer.axis, int) else next(iter(layer.axis)) if len(layer.axis) == 1 else None
    if axis not in (-1, len(shape)):
        return [OTHER]
    weights = {"gamma": _values(layer.gamma)} if layer.scale else {}
    weights |= {"beta": _values(layer.beta)} if layer.center else {}
    return [Arithmetic("layernorm", {"epsilon": float(layer.epsilon)}, weights)]


def _normalization(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    """Input normalisation by means and variances that were measured or given."""
    channels = shape[-1]
    mean, variance = (_values(getattr(layer, name)).ravel() for name in ("mean", "variance"))
    if mean.size not in (1, channels) or layer.invert:
        return [OTHER]
    deviation = np.maximum(np.sqrt(variance), 1e-7) * np.ones(channels)  # Keras' own guard against a variance of zero
    return [
        Arithmetic(
            "scale", {}, {"scale": (1 / deviation).astype(np.float32), "shift": (-mean / deviation).astype(np.float32)}
        )
    ]


def _rescaling(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    ones = np.ones(shape[-1], np.float32)
    scale, shift = (np.asarray(one, np.float32).ravel() for one in (layer.scale, layer.offset))
    if not {scale.size, shift.size} <= {1, shape[-1]}:
        return [OTHER]
    return [Arithmetic("scale", {}, {"scale": scale * ones, "shift": shift * ones})]


def _relu(layer: Any, _: tuple[int, ...]) -> list[Arithmetic]:
    most, slope = layer.max_value, float(layer.negative_slope or 0)
    if layer.threshold or most not in (None, 6) or (most is not None and slope):
        return [OTHER]
    if slope:
        return [Arithmetic("activation", {"activation": "leaky_relu", "slope": slope})]
    return [Arithmetic("activation", {"activation": "relu" if most is None else "relu6"})]


def _leaky(layer: Any, _: tuple[int, ...]) -> list[Arithmetic]:
    return [Arithmetic("activation", {"activation": "leaky_relu", "slope": float(layer.negative_slope)})]


def _activating(layer: Any, _: tuple[int, ...]) -> list[Arithmetic]:
    settings = _activation(layer)
    return [OTHER if settings is None else Arithmetic("activation", settings)]


def _pooling(kind: str) -> Callable[[Any, tuple[int, ...]], list[Arithmetic]]:
    def described(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
        settings = _sliding(layer, shape, layer.pool_size)
        return [Arithmetic(kind, settings)]

    return described


def _as(kind: str) -> Callable[[Any, tuple[int, ...]], list[Arithmetic]]:
    return lambda layer, shape: [Arithmetic(kind)]


def _padding(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    """Rows, columns and channels of zeros; what Keras pads "channels first" are our columns and channels."""
    two = [list(map(int, pair)) for pair in getattr(layer, "padding", None) or layer.cropping]
    pads = [*two, [0, 0]] if layer.data_format == "channels_last" else [[0, 0], *two]
    return [Arithmetic("pad" if hasattr(layer, "padding") else "crop", {"pads": pads})]


def _flatten(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    return [OTHER if layer.data_format != "channels_last" and len(shape) > 1 else Arithmetic("reshape")]


def _concatenation(layer: Any, shape: tuple[int, ...]) -> list[Arithmetic]:
    return [Arithmetic("concatenate") if layer.axis in (-1, len(shape)) else OTHER]


def _merge(node: Any, kind: str) -> Arithmetic:
    """Returns what joins several values; with a number in place of one, as MobileNetV3 has it, a scale or a shift."""
    inputs = node.input_tensors
    if len(inputs) > 1:
        return Arithmetic(kind)
    numbers = [value for value in node.arguments.args if isinstance(value, int | float)]
    if len(inputs) == 1 and len(numbers) == 1 and kind in ("add", "multiply"):
        ones = np.ones(inputs[0].shape[-1], np.float32)
        scale, shift = (1.0, numbers[0]) if kind == "add" else (numbers[0], 0.0)
        return Arithmetic("scale", {}, {"scale": ones * np.float32(scale), "shift": ones * np.float32(shift)})
    return OTHER


KNOWN: dict[str, Callable[[Any, tuple[int, ...]], list[Arithmetic]]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "Activation": _activating,
    "MaxPooling2D": _pooling("maxpool"),
    "AveragePooling2D": _pooling("avgpool"),
    "GlobalAveragePooling2D": _as("globalavg"),
    "GlobalMaxPooling2D": _as("globalmax"),
    "Flatten": _flatten,
    "Reshape": _as("reshape"),
    "ZeroPadding2D": _padding,
    "Cropping2D": _padding,
    "Concatenate": _concatenation,
}
"""Class of a layer in Keras → what it computes on values of a shape."""
