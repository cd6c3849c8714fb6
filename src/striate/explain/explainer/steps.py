"""A model as a list of steps that a page can compute: what each does, with which numbers, on which others' values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError
from striate.explain.explainer.layer_ops import LayerOp, extract_layer_ops
from striate.explain.gradients import capture_outputs
from striate.models.layer_graph import iter_nodes, make_unique_name
from striate.models.predictor import get_inference_arguments

Array = NDArray[np.float32]
GRAPH_MODEL_CLASSES = ("Functional", "Sequential")
"""Classes of Keras that are graphs of layers."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step from the image to the logits.

    Attributes:
        name: the layer's, after the names of the models it is nested in; unique.
        layer_class: its class in Keras.
        kind: what it computes (see arithmetic.py); `input` for the image, `other` for what the page cannot compute.
        inputs: the steps whose values it takes, as positions in the list.
        shape: of its value for one image.
        settings: numbers and words that the computation needs.
        weights: arrays that it needs, by the names in arithmetic.py.
        parameters: weights of the layer, those that are not trained among them; 0 where an earlier step has the same.
        keras_layer: Keras' layer; None for the image, and where one layer is several steps for all but the last.
    """

    name: str
    layer_class: str
    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    parameters: int = 0
    keras_layer: Any = None


def extract_steps(model: Any) -> list[Step]:
    """Returns the steps, the image first and the logits last, each after those it takes its values from.

    Args:
        model: a functional or Sequential keras.Model from (b, h, w, c) to (b, classes).

    Raises:
        ConfigError: it is no graph of layers from one image to one vector.
    """
    if type(model).__name__ not in GRAPH_MODEL_CLASSES or not getattr(model, "inputs", None):
        raise ConfigError("This model is no graph of layers", received=type(model).__name__)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ConfigError("A model with one input and one output can be explained", received=model.name)
    found = [Step("image", "InputLayer", "input", (), tuple(model.inputs[0].shape[1:]))]
    seen, counted = {id(model.inputs[0]): 0}, set()
    for name, node in iter_nodes(model, seen):
        (output,) = node.output_tensors
        operation = node.operation
        parameters = (
            0 if id(operation) in counted else sum(int(np.prod(w.shape)) for w in getattr(operation, "weights", ()))
        )
        counted.add(id(operation))
        inputs = tuple(seen[id(tensor)] for tensor in node.input_tensors)
        parts = extract_layer_ops(node)
        for part in parts[:-1]:
            first = _create_step(f"{name}/{part.kind}", operation, part, inputs, part.shape, found)
            found.append(replace(first, keras_layer=None))
            inputs = (len(found) - 1,)
        last = _create_step(name, operation, parts[-1], inputs, tuple(output.shape[1:]), found)
        found.append(replace(last, parameters=parameters))
        seen[id(output)] = len(found) - 1
    return found


def _create_step(
    name: str,
    keras_layer: Any,
    layer_op: LayerOp,
    inputs: tuple[int, ...],
    shape: tuple[int, ...],
    earlier_steps: list[Step],
) -> Step:
    return Step(
        make_unique_name(name, {step.name for step in earlier_steps}),
        type(keras_layer).__name__,
        layer_op.kind,
        inputs,
        shape,
        layer_op.settings,
        layer_op.weights,
        keras_layer=keras_layer,
    )


def compute_step_values(model: Any, steps: Sequence[Step], image: NDArray[np.uint8]) -> list[Array | None]:
    """Returns one array per step, of its shape; None for a step within a layer, which Keras does not show.

    Args:
        model: whose steps these are.
        steps: see steps().
        image: (h, w, c) uint8, preprocessed.
    """
    with capture_outputs(
        {id(one.keras_layer): one.keras_layer for one in steps if one.keras_layer is not None}.values()
    ) as caught:
        model(np.asarray(image[None], np.float32), **get_inference_arguments(model))
    left = {key: iter(arrays) for key, arrays in caught.items()}
    return [image.astype(np.float32), *(_pop_step_value(step, left) for step in steps[1:])]


def _pop_step_value(step: Step, remaining_outputs: dict[int, Iterator[Array]]) -> Array | None:
    """Returns what the step's layer gave at this use of it."""
    return None if step.keras_layer is None else next(remaining_outputs[id(step.keras_layer)])[0]
