"""The layers of a model in the order of the computation, those of models inside it among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeVar

from striate.models.architecture import import_keras

T = TypeVar("T")


def iter_nodes(model: Any, tensor_info: dict[int, T], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (name, node) of every layer but the inputs, from the image to the logits.

    A node is Keras': `operation`, `input_tensors`, `output_tensors`, `arguments`. A layer that is used several times
    has several.

    Args:
        model: a functional or Sequential keras.Model.
        tensor_info: the id of a tensor → whatever the caller knows of it; it holds the model's inputs to begin with,
            and the caller adds each node's outputs before asking for the next. What is known of a tensor that enters
            or leaves a model inside the model is carried across.
        prefix: stands before every name.
    """
    keras, layers = import_keras()
    graph = getattr(model, "_functional", None) or model  # a Sequential holds its graph
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            inner = node.operation
            if isinstance(inner, layers.InputLayer):
                continue
            if not isinstance(inner, keras.Model):
                yield prefix + inner.name, node
                continue
            for outside, inside in zip(node.input_tensors, inner.inputs, strict=True):
                tensor_info[id(inside)] = tensor_info[id(outside)]
            yield from iter_nodes(inner, tensor_info, f"{prefix}{inner.name}/")
            for outside, inside in zip(node.output_tensors, inner.outputs, strict=True):
                tensor_info[id(outside)] = tensor_info[id(inside)]


def make_unique_name(name: str, existing_names: Collection[str]) -> str:
    """Returns the name, or with the first number behind it (`conv_2`) under which it is not taken."""
    return next(
        one for one in (name, *(f"{name}_{n}" for n in range(2, len(existing_names) + 3))) if one not in existing_names
    )
