"""A network as a list of steps that a page can compute: what each does, with which numbers, on which others' values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError
from striate.explain.explainer.layer_ops import Arithmetic, arithmetic
from striate.explain.gradients import catching
from striate.models.layer_graph import calls, unique
from striate.models.predictor import at_rest

Array = NDArray[np.float32]
MODELS = ("Functional", "Sequential")
"""Classes of Keras that are graphs of layers."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step from the picture to the logits.

    Attributes:
        name: the layer's, after the names of the networks it is nested in; unique.
        layer: its class in Keras.
        kind: what it computes (see arithmetic.py); `input` for the picture, `other` for what the page cannot compute.
        inputs: the steps whose values it takes, as positions in the list.
        shape: of its value for one picture.
        settings: numbers and words that the computation needs.
        weights: arrays that it needs, by the names in arithmetic.py.
        parameters: weights of the layer, those that are not trained among them; 0 where an earlier step has the same.
        operation: Keras' layer; None for the picture, and where one layer is several steps for all but the last.
    """

    name: str
    layer: str
    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    parameters: int = 0
    operation: Any = None


def steps(model: Any) -> list[Step]:
    """Returns the steps, the picture first and the logits last, each after those it takes its values from.

    Args:
        model: a functional or Sequential keras.Model from (b, h, w, c) to (b, classes).

    Raises:
        ConfigError: it is no graph of layers from one picture to one vector.
    """
    if type(model).__name__ not in MODELS or not getattr(model, "inputs", None):
        raise ConfigError("This network is no graph of layers", received=type(model).__name__)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ConfigError("A network with one input and one output can be explained", received=model.name)
    found = [Step("picture", "InputLayer", "input", (), tuple(model.inputs[0].shape[1:]))]
    seen, counted = {id(model.inputs[0]): 0}, set()
    for name, node in calls(model, seen):
        (output,) = node.output_tensors
        operation = node.operation
        parameters = (
            0 if id(operation) in counted else sum(int(np.prod(w.shape)) for w in getattr(operation, "weights", ()))
        )
        counted.add(id(operation))
        inputs = tuple(seen[id(tensor)] for tensor in node.input_tensors)
        parts = arithmetic(node)
        for part in parts[:-1]:
            first = _step(f"{name}/{part.kind}", operation, part, inputs, part.shape, found)
            found.append(replace(first, operation=None))
            inputs = (len(found) - 1,)
        last = _step(name, operation, parts[-1], inputs, tuple(output.shape[1:]), found)
        found.append(replace(last, parameters=parameters))
        seen[id(output)] = len(found) - 1
    return found


def _step(
    name: str, operation: Any, part: Arithmetic, inputs: tuple[int, ...], shape: tuple[int, ...], found: list[Step]
) -> Step:
    return Step(
        unique(name, {step.name for step in found}),
        type(operation).__name__,
        part.kind,
        inputs,
        shape,
        part.settings,
        part.weights,
        operation=operation,
    )


def values(model: Any, found: Sequence[Step], picture: NDArray[np.uint8]) -> list[Array | None]:
    """Returns one array per step, of its shape; None for a step within a layer, which Keras does not show.

    Args:
        model: whose steps these are.
        found: see steps().
        picture: (h, w, c) uint8, preprocessed.
    """
    with catching({id(one.operation): one.operation for one in found if one.operation is not None}.values()) as caught:
        model(np.asarray(picture[None], np.float32), **at_rest(model))
    left = {key: iter(arrays) for key, arrays in caught.items()}
    return [picture.astype(np.float32), *(_next(step, left) for step in found[1:])]


def _next(step: Step, left: dict[int, Iterator[Array]]) -> Array | None:
    """Returns what the step's layer gave at this use of it."""
    return None if step.operation is None else next(left[id(step.operation)])[0]
