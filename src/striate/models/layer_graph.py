"""The layers of a network in the order of the computation, those of networks inside it among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeVar

from striate.models.architecture import keras_layers

T = TypeVar("T")


def calls(model: Any, seen: dict[int, T], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (name, node) of every layer but the inputs, from the picture to the logits.

    A node is Keras': `operation`, `input_tensors`, `output_tensors`, `arguments`. A layer that is used several times
    has several.

    Args:
        model: a functional or Sequential keras.Model.
        seen: the id of a tensor → whatever the caller knows of it; it holds the model's inputs to begin with, and the
            caller adds each node's outputs before asking for the next. What is known of a tensor that enters or leaves
            a network inside the network is carried across.
        within: stands before every name.
    """
    keras, layers = keras_layers()
    graph = getattr(model, "_functional", None) or model  # a Sequential holds its graph
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            inner = node.operation
            if isinstance(inner, layers.InputLayer):
                continue
            if not isinstance(inner, keras.Model):
                yield within + inner.name, node
                continue
            for outside, inside in zip(node.input_tensors, inner.inputs, strict=True):
                seen[id(inside)] = seen[id(outside)]
            yield from calls(inner, seen, f"{within}{inner.name}/")
            for outside, inside in zip(node.output_tensors, inner.outputs, strict=True):
                seen[id(outside)] = seen[id(inside)]


def unique(name: str, taken: Collection[str]) -> str:
    """Returns the name, or with the first number behind it (`conv_2`) under which it is not taken."""
    return next(one for one in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if one not in taken)
