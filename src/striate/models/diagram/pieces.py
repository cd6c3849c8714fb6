"""A keras.Model as the few layers that a person would draw, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from striate.errors import ConfigError
from striate.models.architecture import import_keras

NodeKind = Literal["input", "convolution", "depthwise", "pooling", "dense", "gate", "merge", "other"]


@dataclass
class LayerNode:
    """A layer worth drawing.

    Attributes:
        kind: decides its color.
        label: what it is, such as `3×3 conv 64 /2`.
        shape: of what comes out, without the batch; None for a side of any length.
        parents: the pieces whose output it takes, as positions in the list of pieces, without repetition.
        tags: those of its layers' names that the contract fixes, `features`, `embedding` and `logits`; `output`, if
            it is one without such a name.
    """

    kind: NodeKind
    label: str
    shape: tuple[int | None, ...]
    parents: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()


KEY_LAYERS = ("features", "embedding", "logits")

MERGE_LABELS = {
    "Add": "+",
    "Multiply": "×",
    "Subtract": "−",
    "Concatenate": "concat",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Dot": "dot",
}
"""Class of a layer or an operation → how it is shown where it joins several pieces."""

UNDRAWN_CLASS_PREFIXES = (
    *("Cast", "Cropping", "Dropout", "Flatten", "Gaussian", "GetItem", "Identity", "LayerScale", "Permute", "Random"),
    *("Rescaling", "Reshape", "SpatialDropout", "Squeeze", "StochasticDepth", "Transpose", "ZeroPadding", "Pad"),
    *("ExpandDims", "Normalization"),
)
"""How the names of classes begin that are part of the piece before them and not mentioned."""

CLASS_NOTES = {
    "BatchNormalization": "batch normalization",
    "LayerNormalization": "layer normalization",
    "GroupNormalization": "group normalization",
    "LeakyReLU": "leaky ReLU",
    "PReLU": "PReLU",
    "ELU": "ELU",
    "ReLU": "ReLU",
    "Relu": "ReLU",
    "Softmax": "softmax",
    "Dropout": "dropout",
    "Activation": "",
    "LocalResponseNormalization": "local response normalization",
    "StochasticDepth": "stochastic depth",
    "RMSNormalization": "RMS normalization",
    "Sigmoid": "",
    "HardSigmoid": "",
    "Relu6": "ReLU6",
    "Silu": "swish",
    "Gelu": "GELU",
    "Tanh": "tanh",
}
"""Class of a layer that is part of the piece before it → what the figure's foot calls it ("" for nothing)."""

ACTIVATION_NOTES = {
    "relu": "ReLU",
    "gelu": "GELU",
    "relu6": "ReLU6",
    "silu": "swish",
    "hard_silu": "hard swish",
    "elu": "ELU",
    "linear": "",
}
"""Activation → what the foot calls it, where not by its own name."""


def extract_nodes(model: Any) -> tuple[list[LayerNode], list[str]]:
    """Returns the pieces, parents before children, and what else lies between them, for the figure's foot.

    Normalization, activations, dropout, padding and changes of form are part of the piece before them. Models
    inside the model are opened, and a shared layer appears as often as it is used.

    Raises:
        ConfigError: the model has no graph: a subclass of keras.Model, or a Sequential one without an input shape.
    """
    found = _GraphWalker([], {}, {})
    for position in found.walk(_get_layer_graph(model), None):
        if not found.nodes[position].tags:
            found.nodes[position].tags = ("output",)
    return _merge_gates(found.nodes), list(found.notes)


def _get_layer_graph(model: Any) -> Any:
    function = model if hasattr(model, "_nodes_by_depth") else getattr(model, "_functional", None)
    if function is None:
        raise ConfigError(
            "This model cannot be drawn",
            received=f"{type(model).__name__} without a graph of layers",
            expected="a functional or Sequential keras.Model that knows its input shape",
        )
    return function


@dataclass
class _GraphWalker:
    nodes: list[LayerNode]
    position_by_tensor: dict[int, int]  # id of a tensor → position of the piece that it comes out of
    notes: dict[str, None]

    def walk(self, graph: Any, input_positions: Sequence[int] | None) -> list[int]:
        """Returns the positions of the outputs; `input_positions`, those of the inputs where the model lies in
        another.
        """
        for number, tensor in enumerate(graph.inputs):
            if input_positions is None:
                self.position_by_tensor[id(tensor)] = self._append_node(
                    LayerNode("input", "input", tuple(tensor.shape[1:]))
                )
            else:
                self.position_by_tensor[id(tensor)] = input_positions[number]
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if all(id(tensor) in self.position_by_tensor for tensor in node.outputs) and not node.input_tensors:
                    continue
                before = [self.position_by_tensor[id(tensor)] for tensor in node.input_tensors]
                inner = _get_inner_graph(node.operation)
                after = self.walk(inner, before) if inner is not None else [self._add_operation(node, before)]
                for number, tensor in enumerate(node.outputs):
                    self.position_by_tensor[id(tensor)] = after[min(number, len(after) - 1)]
                if inner is not None:
                    self._add_tag(after[0], node.operation.name)
        return [self.position_by_tensor[id(tensor)] for tensor in graph.outputs]

    def _append_node(self, node: LayerNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _add_operation(self, node: Any, input_positions: list[int]) -> int:
        operation, parents = node.operation, tuple(dict.fromkeys(input_positions))
        kind = type(operation).__name__
        self._add_notes(kind, operation)
        silent = (
            kind in MERGE_LABELS
            or kind in CLASS_NOTES
            or kind.startswith(UNDRAWN_CLASS_PREFIXES)
            or _is_channel_scale(operation, kind)
        )
        if len(parents) == 1 and silent:
            place = parents[0]
        else:
            place = self._append_node(_build_node(operation, kind, tuple(node.outputs[0].shape[1:]), parents))
        self._add_tag(place, operation.name)
        return place

    def _add_tag(self, position: int, name: str) -> None:
        if name in KEY_LAYERS and name not in self.nodes[position].tags:
            self.nodes[position].tags += (name,)

    def _add_notes(self, class_name: str, operation: Any) -> None:
        activation = getattr(operation, "activation", None)
        name = str(getattr(activation, "__name__", "") if activation is not None else "")
        for note in (CLASS_NOTES.get(class_name, ""), ACTIVATION_NOTES.get(name, name.replace("_", " "))):
            if note:
                self.notes[note] = None


def _is_channel_scale(operation: Any, class_name: str) -> bool:
    """Returns whether it is a factor for each channel, written as a convolution."""
    return class_name == "DepthwiseConv2D" and set(operation.kernel_size) | set(operation.strides) == {1}


def _get_inner_graph(operation: Any) -> Any:
    return operation if hasattr(operation, "_nodes_by_depth") else getattr(operation, "_functional", None)


def _build_node(operation: Any, class_name: str, shape: tuple[int | None, ...], parents: tuple[int, ...]) -> LayerNode:
    """Returns what is drawn for one layer."""
    layers = import_keras()[1]
    channels = shape[-1] if shape else 1
    if class_name in MERGE_LABELS and len(parents) > 1:
        return LayerNode("merge", MERGE_LABELS[class_name], shape, parents)
    if isinstance(operation, layers.Dense):
        form = f"dense {channels}" if len(shape) == 1 else f"1×1 dense {channels}"
        return LayerNode("dense" if len(shape) == 1 else "convolution", form, shape, parents)
    if class_name.startswith("Global"):
        return LayerNode("pooling", f"global {'max' if 'Max' in class_name else 'average'} pool", shape, parents)
    window = tuple(getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None) or ())
    if not window:
        return LayerNode("other", class_name, shape, parents)
    size, stride = "×".join(map(str, window)), _format_stride(operation)
    if "Pooling" in class_name:
        plain = getattr(operation, "strides", window) == window
        form = f"{'max' if 'Max' in class_name else 'average'} pool {size}" if max(window) > 1 else "subsample"
        return LayerNode("pooling", form if plain else form + stride, shape, parents)
    if "Depthwise" in class_name:
        return LayerNode("depthwise", f"{size} depthwise{stride}", shape, parents)
    if "Separable" in class_name:
        return LayerNode("depthwise", f"{size} separable {channels}{stride}", shape, parents)
    name = "transposed conv" if "Transpose" in class_name else "conv"
    groups = getattr(operation, "groups", 1)
    if groups > 1 and groups == operation.kernel.shape[-2] * groups == channels:  # one filter a channel
        return LayerNode("depthwise", f"{size} depthwise{stride}", shape, parents)
    wide = "".join(f", dilated {rate}" for rate in {max(operation.dilation_rate)} - {1})
    split = f", {groups} groups" if groups > 1 else ""
    return LayerNode("convolution", f"{size} {name} {channels}{stride}{split}{wide}", shape, parents)


def _format_stride(operation: Any) -> str:
    strides = tuple(getattr(operation, "strides", ()))
    if len(set(strides)) > 1:
        return " /" + "×".join(map(str, strides))
    return f" /{strides[0]}" if strides and strides[0] > 1 else ""


def _merge_gates(nodes: list[LayerNode]) -> list[LayerNode]:
    """Returns the pieces with squeeze-and-excitation (Hu, Shen and Sun 2018, figure 2) as one of them each: pooling,
    one or two layers and a product, where the pooling takes what the product multiplies.
    """
    children = [0] * len(nodes)
    for piece in nodes:
        for parent in piece.parents:
            children[parent] += 1
    gone: set[int] = set()
    for piece in nodes:
        if piece.label != MERGE_LABELS["Multiply"] or len(piece.parents) != 2:
            continue
        for data, end in (piece.parents, piece.parents[::-1]):
            path = [end]
            while not nodes[path[-1]].label.startswith("global") and _is_pass_through(nodes, children, path[-1]):
                path.append(nodes[path[-1]].parents[0])
            if len(path) > 1 and _is_pass_through(nodes, children, path[-1]) and nodes[path[-1]].parents == (data,):
                gone.update(path)
                piece.kind, piece.parents, piece.label = "gate", (data,), f"squeeze–excite {nodes[path[-2]].shape[-1]}"
                break
    kept = [position for position in range(len(nodes)) if position not in gone]
    new = {old: number for number, old in enumerate(kept)}
    for old in kept:
        nodes[old].parents = tuple(new[parent] for parent in nodes[old].parents)
    return [nodes[old] for old in kept]


def _is_pass_through(nodes: list[LayerNode], child_counts: list[int], position: int) -> bool:
    return child_counts[position] == 1 and len(nodes[position].parents) == 1 and not nodes[position].tags
