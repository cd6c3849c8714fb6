"""The value of every step for a picture, as Keras computes it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import keras
from striate.explain.explainer.steps import Step
from striate.explain.gradient import through
from striate.inference import at_rest

Array = NDArray[np.float32]


def values(model: Any, found: Sequence[Step], picture: NDArray[np.uint8]) -> list[Array | None]:
    """Returns one array per step, of its shape; None for a step within a layer, which Keras does not show.

    Args:
        model: whose steps these are.
        found: see steps().
        picture: (h, w, c) uint8, preprocessed.
    """
    caught: defaultdict[int, list[Array]] = defaultdict(list)
    operations = {id(step.operation): step.operation for step in found if step.operation is not None}
    with contextlib.ExitStack() as stack:
        for key, operation in operations.items():
            stack.enter_context(through(operation, _keeper(caught[key])))
        model(np.asarray(picture[None], np.float32), **at_rest(model))
    left = {key: iter(arrays) for key, arrays in caught.items()}
    return [
        picture.astype(np.float32)
        if step.kind == "input"
        else None
        if step.operation is None
        else next(left[id(step.operation)])
        for step in found
    ]


def _keeper(caught: list[Array]) -> Any:
    def keep(output: Any) -> Any:
        caught.append(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")))[0])
        return output

    return keep
