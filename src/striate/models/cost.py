"""What a model costs and sees, read off its graph: weights, multiply-adds, receptive field. Nothing is run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.models.architecture import import_keras
from striate.models.layer_graph import iter_nodes

COST_TABLE_FILE = Path(__file__).with_name("figures.json")
"""What `docs/generate.py` computed for every row of ARCHITECTURES at its native size, so that a list needs no Keras."""


@dataclass(frozen=True)
class Cost:
    """What a model, or one layer of it, costs and sees.

    Attributes:
        parameters: trainable weights (not the means and variances that batch normalization keeps).
        multiply_adds: of convolutions and dense layers, for one image. Biases, normalization, pooling and
            activations are not counted, as is the papers' custom.
        receptive_field: (height, width), pixels, that one unit depends on: of the layer `features` for a model, of
            the layer itself for a layer. It may be larger than the image, what lies outside being padding; where
            everything is joined to everything (dense layers, squeeze-and-excitation) it is the image's own size.
    """

    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int]


@dataclass(frozen=True)
class LayerCost(Cost):
    """What one layer costs.

    Attributes:
        name: the layer's, after the names of the models it is nested in.
        kind: its class in Keras.
        window: height and width of what it slides over the maps, () if nothing.
        strides: the steps down and to the right that it slides in.
        output_shape: (height, width, channels) or (units,) for one image.
        inputs: the names of the layers whose output it takes; the image has none.
    """

    name: str
    kind: str
    window: tuple[int, ...]
    strides: tuple[int, ...]
    output_shape: tuple[int, ...]
    inputs: tuple[str, ...]


def load_cost_table() -> dict[str, dict[str, Any]]:
    """Returns row's name → its figures at native size: those of Cost, and smallest_side in pixels."""
    read: dict[str, dict[str, Any]] = json.loads(COST_TABLE_FILE.read_text(encoding="utf-8"))
    return read


def compute_cost(model: Any) -> Cost:
    """Returns the cost of a keras.Model that has a layer `features`; see `compute_layer_costs`."""
    rows = compute_layer_costs(model)
    return Cost(
        sum(row.parameters for row in rows),
        sum(row.multiply_adds for row in rows),
        next(row.receptive_field for row in rows if row.name == "features"),
    )


def compute_layer_costs(model: Any) -> list[LayerCost]:
    """Returns one entry per layer of a keras.Model made of convolutions, in the order of the computation.

    Receptive fields follow Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks,
    Distill 2019 (doi 10.23915/distill.00021): each layer widens the region of the unit below by its window, times the
    strides so far (eq. 1 and 2), and shifts it by its padding (eq. 3 and 4); where branches meet, the region spans
    them all. Models inside the model are walked through. Layers that enlarge maps count as seeing everything.
    """
    height, width = model.inputs[0].shape[1:3]
    rows, counted = [], set()
    for name, node, field, below in _iter_receptive_fields(model):
        layer, output = node.operation, node.output_tensors[0]
        fresh = layer not in counted
        counted.add(layer)
        rows.append(
            LayerCost(
                sum(math.prod(weight.shape) for weight in getattr(layer, "trainable_weights", ())) if fresh else 0,
                _count_multiply_adds(layer, node.input_tensors[0].shape, output.shape),
                (field[0].size, field[1].size) if field else (height, width),
                name,
                type(layer).__name__,
                tuple(getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None) or ()),
                tuple(getattr(layer, "strides", None) or ()),
                tuple(output.shape[1:]),
                below,
            )
        )
    return rows


def compute_receptive_fields(model: Any) -> dict[int, ReceptiveField]:
    """Returns the id of a layer → what the first unit of its maps depends on, and how far on its neighbor looks; None
    where a unit depends on the whole image. Of a layer that is used several times, its last use.
    """
    return {id(node.operation): field for _, node, field, _ in _iter_receptive_fields(model)}


def _iter_receptive_fields(model: Any) -> Iterator[tuple[str, Any, ReceptiveField, tuple[str, ...]]]:
    """Yields name, node, what its units depend on, and the names of the layers it takes values from."""
    seen: FieldByTensor = {id(model.inputs[0]): ("", (AxisField(), AxisField()))}
    for name, node in iter_nodes(model, seen):
        (output,) = node.output_tensors
        below = [seen[id(tensor)] for tensor in node.input_tensors]
        field = _compute_receptive_field(node.operation, node.input_tensors, output, [field for _, field in below])
        seen[id(output)] = name, field
        yield name, node, field, tuple(source for source, _ in below if source)


@dataclass(frozen=True)
class AxisField:
    """What the first unit of a map depends on along one axis of the image, and how far on its neighbor looks.

    Attributes:
        first_pixel: first pixel; below 0 where padding is seen.
        last_pixel: last pixel.
        jump: pixels from one unit's region to the next unit's.
    """

    first_pixel: int = 0
    last_pixel: int = 0
    jump: int = 1

    @property
    def size(self) -> int:
        """Pixels from the first to the last."""
        return self.last_pixel - self.first_pixel + 1

    def apply_window(self, window: int, stride: int, padding: int) -> AxisField:
        """Returns what a unit depends on that looks at `window` of these units, of which `padding` are padding."""
        first = self.first_pixel - padding * self.jump
        return AxisField(first, self.last_pixel + (window - 1 - padding) * self.jump, self.jump * stride)


ReceptiveField = tuple[AxisField, AxisField] | None
"""Rows and columns that a unit depends on; None where it depends on the whole image."""

FieldByTensor = dict[int, tuple[str, ReceptiveField]]
"""The id of a tensor → the layer that it comes from, "" for the image, and what its units depend on."""


def _compute_receptive_field(
    layer: Any, inputs: Sequence[Any], output: Any, input_fields: Sequence[ReceptiveField]
) -> ReceptiveField:
    _, layers = import_keras()
    seen = [field for field in input_fields if field is not None]
    if len(seen) < len(input_fields) or len(output.shape) != 4 or isinstance(layer, layers.Conv2DTranspose):
        return None
    sides = [tensor.shape[1:3] for tensor in (inputs[0], output)]
    axes = [_merge_axes([field[axis] for field in seen]) for axis in (0, 1)]
    if isinstance(layer, layers.ZeroPadding2D):
        moves = [(1, 1, before) for before, _ in layer.padding]
    elif isinstance(layer, layers.Cropping2D):
        moves = [(1, 1, -before) for before, _ in layer.cropping]
    elif (window := _get_window(layer)) is not None:
        moves = [
            (size, stride, compute_padding_before(side, size, stride) if layer.padding == "same" else 0)
            for side, size, stride in zip(sides[0], *window, strict=True)
        ]
    elif sides[0] == sides[1] or len(inputs) > 1:  # each unit looks at its own place only
        moves = [(1, 1, 0), (1, 1, 0)]
    else:
        return None
    rows, columns = (axis.apply_window(*move) for axis, move in zip(axes, moves, strict=True))
    return rows, columns


def _merge_axes(axes: Sequence[AxisField]) -> AxisField:
    return AxisField(
        min(axis.first_pixel for axis in axes), max(axis.last_pixel for axis in axes), max(axis.jump for axis in axes)
    )


def _get_window(layer: Any) -> tuple[Sequence[int], Sequence[int]] | None:
    """Returns what a convolution or pooling slides over the maps, dilation included, and its strides; else None."""
    if hasattr(layer, "pool_size"):
        return layer.pool_size, layer.strides
    if hasattr(layer, "kernel_size"):
        pairs = zip(layer.kernel_size, layer.dilation_rate, strict=True)
        return [(size - 1) * dilation + 1 for size, dilation in pairs], layer.strides
    return None


def compute_padding_before(side: int, window: int, stride: int) -> int:
    """Returns how many units "same" padding puts before the first: the smaller half of what is missing."""
    return max(window - (side % stride or stride), 0) // 2


def _count_multiply_adds(layer: Any, input_shape: Sequence[int], output_shape: Sequence[int]) -> int:
    """Returns those of a layer: every kernel's weights are used once at every place of the map they are slid over."""
    _, layers = import_keras()
    with_kernel = (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Conv2DTranspose)
    if not isinstance(layer, with_kernel):
        return 0
    places = input_shape if isinstance(layer, layers.Conv2DTranspose) else output_shape
    kernels: int = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    return kernels * math.prod(places[1:-1])
