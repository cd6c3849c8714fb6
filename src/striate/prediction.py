"""What a classifier says about pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from striate.errors import printable


@dataclass(frozen=True)
class Prediction:
    """What the classifier says about one picture.

    Attributes:
        source: where the picture came from.
        label: the most probable class; None when the picture could not be decoded.
        confidence: its probability, 0..1.
        probabilities: class name → probability, most probable first.
        error: why there is no label.
    """

    source: str
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    error: str | None = None

    def __str__(self) -> str:
        if self.label is None:
            return f"{self.source}: {self.error}"
        rest = [f"{name} {share:.1%}" for name, share in list(self.probabilities.items())[1:4]]
        return f"{self.label} {self.confidence:.1%}" + (f" ({', '.join(rest)})" if rest else "")


class Predictions(Sequence[Prediction]):
    """Predictions in the order of the pictures; as an array, the labels (so scikit-learn's metrics take it)."""

    def __init__(self, items: Iterable[Prediction]) -> None:
        self._items = list(items)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        return Predictions(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array([item.label or "" for item in self._items], dtype=np.str_ if dtype is None else dtype)

    def __repr__(self) -> str:
        return "\n".join(printable(str(item) if item.error else f"{item.source}: {item}") for item in self._items)
