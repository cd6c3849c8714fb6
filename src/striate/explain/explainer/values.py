"""The value of every step for a picture, as Keras computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.explain.explainer.steps import Step
from striate.explain.gradient import catching
from striate.inference import at_rest

Array = NDArray[np.float32]


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
