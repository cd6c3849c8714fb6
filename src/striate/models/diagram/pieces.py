"""A keras.Model as the few layers that a person would draw, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from striate.errors import ConfigError
from striate.models.architecture import keras_layers

Kind = Literal["input", "convolution", "depthwise", "pooling", "dense", "gate", "merge", "other"]


@dataclass
class Piece:
    """A layer worth drawing.

    Attributes:
        kind: decides its colour.
        label: what it is, such as `3×3 conv 64 /2`.
        shape: of what comes out, without the batch; None for a side of any length.
        parents: the pieces whose output it takes, as positions in the list of pieces, without repetition.
        tags: those of its layers' names that the contract fixes, `features`, `embedding` and `logits`; `output`, if
            it is one without such a name.
    """

    kind: Kind
    label: str
    shape: tuple[int | None, ...]
    parents: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()


TAGS = ("features", "embedding", "logits")

MERGES = {
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

SILENT = (
    *("Cast", "Cropping", "Dropout", "Flatten", "Gaussian", "GetItem", "Identity", "LayerScale", "Permute", "Random"),
    *("Rescaling", "Reshape", "SpatialDropout", "Squeeze", "StochasticDepth", "Transpose", "ZeroPadding", "Pad"),
    *("ExpandDims", "Normalization"),
)
"""How the names of classes begin that are part of the piece before them and not mentioned."""

MENTIONED = {
    "BatchNormalization": "batch normalisation",
    "LayerNormalization": "layer normalisation",
    "GroupNormalization": "group normalisation",
    "LeakyReLU": "leaky ReLU",
    "PReLU": "PReLU",
    "ELU": "ELU",
    "ReLU": "ReLU",
    "Relu": "ReLU",
    "Softmax": "softmax",
    "Dropout": "dropout",
    "Activation": "",
    "LocalResponseNormalization": "local response normalisation",
    "StochasticDepth": "stochastic depth",
    "RMSNormalization": "RMS normalisation",
    "Sigmoid": "",
    "HardSigmoid": "",
    "Relu6": "ReLU6",
    "Silu": "swish",
    "Gelu": "GELU",
    "Tanh": "tanh",
}
"""Class of a layer that is part of the piece before it → what the figure's foot calls it ("" for nothing)."""

ACTIVATIONS = {
    "relu": "ReLU",
    "gelu": "GELU",
    "relu6": "ReLU6",
    "silu": "swish",
    "hard_silu": "hard swish",
    "elu": "ELU",
    "linear": "",
}
"""Activation → what the foot calls it, where not by its own name."""


def pieces(model: Any) -> tuple[list[Piece], list[str]]:
    """Returns the pieces, parents before children, and what else lies between them, for the figure's foot.

    Normalisation, activations, dropout, padding and changes of form are part of the piece before them. Networks
    inside the network are opened, and a shared layer appears as often as it is used.

    Raises:
        ConfigError: the model has no graph: a subclass of keras.Model, or a Sequential one without an input shape.
    """
    found = _Walk([], {}, {})
    for position in found.walk(_graph(model), None):
        if not found.pieces[position].tags:
            found.pieces[position].tags = ("output",)
    return _with_gates(found.pieces), list(found.notes)


def _graph(model: Any) -> Any:
    function = model if hasattr(model, "_nodes_by_depth") else getattr(model, "_functional", None)
    if function is None:
        raise ConfigError(
            "This network cannot be drawn",
            received=f"{type(model).__name__} without a graph of layers",
            expected="a functional or Sequential keras.Model that knows its input shape",
        )
    return function


@dataclass
class _Walk:
    pieces: list[Piece]
    where: dict[int, int]  # id of a tensor → position of the piece that it comes out of
    notes: dict[str, None]

    def walk(self, function: Any, given: Sequence[int] | None) -> list[int]:
        """Returns the positions of the outputs; `given`, those of the inputs where the network lies in another."""
        for number, tensor in enumerate(function.inputs):
            if given is None:
                self.where[id(tensor)] = self._append(Piece("input", "input", tuple(tensor.shape[1:])))
            else:
                self.where[id(tensor)] = given[number]
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if all(id(tensor) in self.where for tensor in node.outputs) and not node.input_tensors:
                    continue
                before = [self.where[id(tensor)] for tensor in node.input_tensors]
                inner = _inner(node.operation)
                after = self.walk(inner, before) if inner is not None else [self._place(node, before)]
                for number, tensor in enumerate(node.outputs):
                    self.where[id(tensor)] = after[min(number, len(after) - 1)]
                if inner is not None:
                    self._tag(after[0], node.operation.name)
        return [self.where[id(tensor)] for tensor in function.outputs]

    def _append(self, piece: Piece) -> int:
        self.pieces.append(piece)
        return len(self.pieces) - 1

    def _place(self, node: Any, before: list[int]) -> int:
        operation, parents = node.operation, tuple(dict.fromkeys(before))
        kind = type(operation).__name__
        self._note(kind, operation)
        silent = kind in MERGES or kind in MENTIONED or kind.startswith(SILENT) or _scales(operation, kind)
        if len(parents) == 1 and silent:
            place = parents[0]
        else:
            place = self._append(_piece(operation, kind, tuple(node.outputs[0].shape[1:]), parents))
        self._tag(place, operation.name)
        return place

    def _tag(self, place: int, name: str) -> None:
        if name in TAGS and name not in self.pieces[place].tags:
            self.pieces[place].tags += (name,)

    def _note(self, kind: str, operation: Any) -> None:
        activation = getattr(operation, "activation", None)
        name = str(getattr(activation, "__name__", "") if activation is not None else "")
        for note in (MENTIONED.get(kind, ""), ACTIVATIONS.get(name, name.replace("_", " "))):
            if note:
                self.notes[note] = None


def _scales(operation: Any, kind: str) -> bool:
    """Returns whether it is a factor for each channel, written as a convolution."""
    return kind == "DepthwiseConv2D" and set(operation.kernel_size) | set(operation.strides) == {1}


def _inner(operation: Any) -> Any:
    return operation if hasattr(operation, "_nodes_by_depth") else getattr(operation, "_functional", None)


def _piece(operation: Any, kind: str, shape: tuple[int | None, ...], parents: tuple[int, ...]) -> Piece:
    """Returns what is drawn for one layer."""
    layers = keras_layers()[1]
    channels = shape[-1] if shape else 1
    if kind in MERGES and len(parents) > 1:
        return Piece("merge", MERGES[kind], shape, parents)
    if isinstance(operation, layers.Dense):
        form = f"dense {channels}" if len(shape) == 1 else f"1×1 dense {channels}"
        return Piece("dense" if len(shape) == 1 else "convolution", form, shape, parents)
    if kind.startswith("Global"):
        return Piece("pooling", f"global {'max' if 'Max' in kind else 'average'} pool", shape, parents)
    window = tuple(getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None) or ())
    if not window:
        return Piece("other", kind, shape, parents)
    size, stride = "×".join(map(str, window)), _stride(operation)
    if "Pooling" in kind:
        plain = getattr(operation, "strides", window) == window
        form = f"{'max' if 'Max' in kind else 'average'} pool {size}" if max(window) > 1 else "subsample"
        return Piece("pooling", form if plain else form + stride, shape, parents)
    if "Depthwise" in kind:
        return Piece("depthwise", f"{size} depthwise{stride}", shape, parents)
    if "Separable" in kind:
        return Piece("depthwise", f"{size} separable {channels}{stride}", shape, parents)
    name = "transposed conv" if "Transpose" in kind else "conv"
    groups = getattr(operation, "groups", 1)
    if groups > 1 and groups == operation.kernel.shape[-2] * groups == channels:  # one filter a channel
        return Piece("depthwise", f"{size} depthwise{stride}", shape, parents)
    wide = "".join(f", dilated {rate}" for rate in {max(operation.dilation_rate)} - {1})
    split = f", {groups} groups" if groups > 1 else ""
    return Piece("convolution", f"{size} {name} {channels}{stride}{split}{wide}", shape, parents)


def _stride(operation: Any) -> str:
    strides = tuple(getattr(operation, "strides", ()))
    if len(set(strides)) > 1:
        return " /" + "×".join(map(str, strides))
    return f" /{strides[0]}" if strides and strides[0] > 1 else ""


def _with_gates(pieces: list[Piece]) -> list[Piece]:
    """Returns the pieces with squeeze-and-excitation (Hu, Shen and Sun 2018, figure 2) as one of them each: pooling,
    one or two layers and a product, where the pooling takes what the product multiplies.
    """
    children = [0] * len(pieces)
    for piece in pieces:
        for parent in piece.parents:
            children[parent] += 1
    gone: set[int] = set()
    for piece in pieces:
        if piece.label != MERGES["Multiply"] or len(piece.parents) != 2:
            continue
        for data, end in (piece.parents, piece.parents[::-1]):
            path = [end]
            while not pieces[path[-1]].label.startswith("global") and _is_passage(pieces, children, path[-1]):
                path.append(pieces[path[-1]].parents[0])
            if len(path) > 1 and _is_passage(pieces, children, path[-1]) and pieces[path[-1]].parents == (data,):
                gone.update(path)
                piece.kind, piece.parents, piece.label = "gate", (data,), f"squeeze–excite {pieces[path[-2]].shape[-1]}"
                break
    kept = [position for position in range(len(pieces)) if position not in gone]
    new = {old: number for number, old in enumerate(kept)}
    for old in kept:
        pieces[old].parents = tuple(new[parent] for parent in pieces[old].parents)
    return [pieces[old] for old in kept]


def _is_passage(pieces: list[Piece], children: list[int], position: int) -> bool:
    return children[position] == 1 and len(pieces[position].parents) == 1 and not pieces[position].tags
