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

from striate.models.cost import compute_padding_before
from striate.system.backend import keras

Array = NDArray[np.float32]

ACTIVATION_FUNCTIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "tanh", "sigmoid", "hard_sigmoid", "silu", "hard_silu", "gelu", "elu"),
    *("selu", "softplus", "softsign", "exponential"),
)
"""Activations that the page knows, by Keras' names."""

MERGE_KINDS = {
    "Add": "add",
    "Multiply": "multiply",
    "Subtract": "subtract",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
}

TRAINING_ONLY_LAYERS = (
    *("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Identity"),
    *("ActivityRegularization",),
)
"""Layers that do nothing once a model has learned."""


POINTWISE_SETTINGS = {"window": [1, 1], "strides": [1, 1], "dilation": [1, 1], "before": [0, 0], "groups": 1}
"""A convolution that looks at one place."""


@dataclass(frozen=True, eq=False)
class LayerOp:
    """What is computed: see the module's table. `shape` is given where it is not that of the layer's output."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    shape: tuple[int, ...] = ()


UNSUPPORTED_OP = LayerOp("other")


def extract_layer_ops(node: Any) -> list[LayerOp]:
    """Returns what a node of Keras computes, in one part or several; `other` where the page cannot follow."""
    layer = node.operation
    name = type(layer).__name__
    if getattr(layer, "data_format", "channels_last") != "channels_last" and name not in ("ZeroPadding2D", "Flatten"):
        return [UNSUPPORTED_OP]
    if name in MERGE_KINDS:
        return [_convert_merge(node, MERGE_KINDS[name])]
    if name in TRAINING_ONLY_LAYERS:
        return [LayerOp("identity", {"rate": float(getattr(layer, "rate", 0))})]
    known = LAYER_CONVERTERS.get(name)
    return known(layer, node.input_tensors[0].shape[1:]) if known else [UNSUPPORTED_OP]


def _to_array(variable: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


def _get_activation_settings(layer: Any) -> dict[str, Any] | None:
    """Returns the settings of its activation; None for one that the page does not know."""
    function = layer.activation
    name = getattr(function, "__name__", None)
    if name not in ACTIVATION_FUNCTIONS:
        return None
    return {"activation": name, "approximate": False} if name == "gelu" else {"activation": name}


def _get_window_settings(layer: Any, shape: tuple[int, ...], window: tuple[int, int]) -> dict[str, Any]:
    """Returns window, strides and dilation as (down, right), and the zeros before the first row and column."""
    dilation = tuple(getattr(layer, "dilation_rate", (1, 1)))
    wide = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    before = [
        compute_padding_before(side, size, stride) if layer.padding == "same" else 0
        for side, size, stride in zip(shape, wide, layer.strides, strict=False)
    ]
    return {"window": list(window), "strides": list(layer.strides), "dilation": list(dilation), "before": before}


def _convert_conv(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    activation = _get_activation_settings(layer)
    if activation is None or layer.padding not in ("same", "valid"):
        return [UNSUPPORTED_OP]
    settings = {**_get_window_settings(layer, shape, layer.kernel_size), **activation, "groups": int(layer.groups)}
    return [LayerOp("conv", settings, _get_kernel_weights(layer.kernel, layer))]


def _convert_depthwise_conv(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    activation = _get_activation_settings(layer)
    if activation is None:
        return [UNSUPPORTED_OP]
    settings = {**_get_window_settings(layer, shape, layer.kernel_size), **activation}
    return [LayerOp("depthwise", settings, _get_kernel_weights(layer.kernel, layer))]


def _convert_separable_conv(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    """A separable convolution is two steps."""
    activation = _get_activation_settings(layer)
    if activation is None:
        return [UNSUPPORTED_OP]
    depthwise, pointwise = _to_array(layer.depthwise_kernel), _to_array(layer.pointwise_kernel)
    between = (*layer.compute_output_shape((None, *shape))[1:3], pointwise.shape[2])
    slid = {**_get_window_settings(layer, shape, layer.kernel_size), "activation": "linear"}
    weights = {"kernel": pointwise, **({"bias": _to_array(layer.bias)} if layer.use_bias else {})}
    return [
        LayerOp("depthwise", slid, {"kernel": depthwise}, between),
        LayerOp("conv", {**POINTWISE_SETTINGS, **activation}, weights),
    ]


def _convert_dense(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    activation = _get_activation_settings(layer)
    if activation is None or len(shape) not in (1, 3):
        return [UNSUPPORTED_OP]
    weights = _get_kernel_weights(layer.kernel, layer)
    if len(shape) == 1:
        return [LayerOp("dense", activation, weights)]
    return [LayerOp("conv", {**POINTWISE_SETTINGS, **activation}, {**weights, "kernel": weights["kernel"][None, None]})]


def _get_kernel_weights(kernel: Any, layer: Any) -> dict[str, Array]:
    return {"kernel": _to_array(kernel), **({"bias": _to_array(layer.bias)} if layer.use_bias else {})}


def _convert_batch_norm(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    if layer.axis not in (-1, len(shape)):
        return [UNSUPPORTED_OP]
    weights = {"mean": _to_array(layer.moving_mean), "variance": _to_array(layer.moving_variance)}
    weights |= {"gamma": _to_array(layer.gamma)} if layer.scale else {}
    weights |= {"beta": _to_array(layer.beta)} if layer.center else {}
    return [LayerOp("norm", {"epsilon": float(layer.epsilon)}, weights)]


def _convert_layer_norm(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    axis = layer.axis if isinstance(layer.axis, int) else next(iter(layer.axis)) if len(layer.axis) == 1 else None
    if axis not in (-1, len(shape)):
        return [UNSUPPORTED_OP]
    weights = {"gamma": _to_array(layer.gamma)} if layer.scale else {}
    weights |= {"beta": _to_array(layer.beta)} if layer.center else {}
    return [LayerOp("layernorm", {"epsilon": float(layer.epsilon)}, weights)]


def _convert_normalization(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    """Input normalization by means and variances that were measured or given."""
    channels = shape[-1]
    mean, variance = (_to_array(getattr(layer, name)).ravel() for name in ("mean", "variance"))
    if mean.size not in (1, channels) or layer.invert:
        return [UNSUPPORTED_OP]
    deviation = np.maximum(np.sqrt(variance), 1e-7) * np.ones(channels)  # Keras' own guard against a variance of zero
    return [
        LayerOp(
            "scale", {}, {"scale": (1 / deviation).astype(np.float32), "shift": (-mean / deviation).astype(np.float32)}
        )
    ]


def _convert_rescaling(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    ones = np.ones(shape[-1], np.float32)
    scale, shift = (np.asarray(one, np.float32).ravel() for one in (layer.scale, layer.offset))
    if not {scale.size, shift.size} <= {1, shape[-1]}:
        return [UNSUPPORTED_OP]
    return [LayerOp("scale", {}, {"scale": scale * ones, "shift": shift * ones})]


def _convert_relu(layer: Any, _: tuple[int, ...]) -> list[LayerOp]:
    most, slope = layer.max_value, float(layer.negative_slope or 0)
    if layer.threshold or most not in (None, 6) or (most is not None and slope):
        return [UNSUPPORTED_OP]
    if slope:
        return [LayerOp("activation", {"activation": "leaky_relu", "slope": slope})]
    return [LayerOp("activation", {"activation": "relu" if most is None else "relu6"})]


def _convert_leaky_relu(layer: Any, _: tuple[int, ...]) -> list[LayerOp]:
    return [LayerOp("activation", {"activation": "leaky_relu", "slope": float(layer.negative_slope)})]


def _convert_activation(layer: Any, _: tuple[int, ...]) -> list[LayerOp]:
    settings = _get_activation_settings(layer)
    return [UNSUPPORTED_OP if settings is None else LayerOp("activation", settings)]


def _make_pooling_converter(kind: str) -> Callable[[Any, tuple[int, ...]], list[LayerOp]]:
    def convert_pooling(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
        settings = _get_window_settings(layer, shape, layer.pool_size)
        return [LayerOp(kind, settings)]

    return convert_pooling


def _make_converter(kind: str) -> Callable[[Any, tuple[int, ...]], list[LayerOp]]:
    return lambda layer, shape: [LayerOp(kind)]


def _convert_padding(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    """Rows, columns and channels of zeros; what Keras pads "channels first" are our columns and channels."""
    two = [list(map(int, pair)) for pair in getattr(layer, "padding", None) or layer.cropping]
    pads = [*two, [0, 0]] if layer.data_format == "channels_last" else [[0, 0], *two]
    return [LayerOp("pad" if hasattr(layer, "padding") else "crop", {"pads": pads})]


def _convert_flatten(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    return [UNSUPPORTED_OP if layer.data_format != "channels_last" and len(shape) > 1 else LayerOp("reshape")]


def _convert_concatenation(layer: Any, shape: tuple[int, ...]) -> list[LayerOp]:
    return [LayerOp("concatenate") if layer.axis in (-1, len(shape)) else UNSUPPORTED_OP]


def _convert_merge(node: Any, kind: str) -> LayerOp:
    """Returns what joins several values; with a number in place of one, as MobileNetV3 has it, a scale or a shift."""
    inputs = node.input_tensors
    if len(inputs) > 1:
        return LayerOp(kind)
    numbers = [value for value in node.arguments.args if isinstance(value, int | float)]
    if len(inputs) == 1 and len(numbers) == 1 and kind in ("add", "multiply"):
        ones = np.ones(inputs[0].shape[-1], np.float32)
        scale, shift = (1.0, numbers[0]) if kind == "add" else (numbers[0], 0.0)
        return LayerOp("scale", {}, {"scale": ones * np.float32(scale), "shift": ones * np.float32(shift)})
    return UNSUPPORTED_OP


LAYER_CONVERTERS: dict[str, Callable[[Any, tuple[int, ...]], list[LayerOp]]] = {
    "Conv2D": _convert_conv,
    "DepthwiseConv2D": _convert_depthwise_conv,
    "SeparableConv2D": _convert_separable_conv,
    "Dense": _convert_dense,
    "BatchNormalization": _convert_batch_norm,
    "LayerNormalization": _convert_layer_norm,
    "Normalization": _convert_normalization,
    "Rescaling": _convert_rescaling,
    "ReLU": _convert_relu,
    "LeakyReLU": _convert_leaky_relu,
    "Activation": _convert_activation,
    "MaxPooling2D": _make_pooling_converter("maxpool"),
    "AveragePooling2D": _make_pooling_converter("avgpool"),
    "GlobalAveragePooling2D": _make_converter("globalavg"),
    "GlobalMaxPooling2D": _make_converter("globalmax"),
    "Flatten": _convert_flatten,
    "Reshape": _make_converter("reshape"),
    "ZeroPadding2D": _convert_padding,
    "Cropping2D": _convert_padding,
    "Concatenate": _convert_concatenation,
}
"""Class of a layer in Keras → what it computes on values of a shape."""
