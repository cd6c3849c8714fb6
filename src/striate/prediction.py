"""What a classifier says about images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from striate.errors import to_printable


@dataclass(frozen=True)
class Prediction:
    """What the classifier says about one image.

    Attributes:
        source: where the image came from.
        label: the most probable class; None when the image could not be decoded, and when the classifier abstains.
        confidence: the most probable class's probability, 0..1.
        probabilities: class name → probability, most probable first.
        error: why the image could not be decoded.
        is_abstention: whether the confidence is below what was asked for, so that no class is answered.
        frame: which one of a video, from 0; None for an image.
        seconds: when it is shown, from the video's beginning.
    """

    source: str
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    error: str | None = None
    is_abstention: bool = False
    frame: int | None = None
    seconds: float | None = None

    @property
    def top_label(self) -> str | None:
        """The most probable class, whether sure or not; None when the image could not be decoded."""
        return next(iter(self.probabilities), None)

    def describe(self, top: int = 4) -> str:
        """Returns the prediction in words, with the `top` most probable classes."""
        if self.error is not None:
            return self.error
        fractions = [f"{name} {fraction:.1%}" for name, fraction in list(self.probabilities.items())[:top]]
        if self.is_abstention:
            return f"abstained ({', '.join(fractions)})"
        return fractions[0] + (f" ({', '.join(fractions[1:])})" if fractions[1:] else "")

    def __str__(self) -> str:
        return f"{self.source}: {self.error}" if self.error is not None else self.describe()


def build_prediction(
    source: str, classes: Sequence[str], probabilities: NDArray[np.float64], reject_below: float
) -> Prediction:
    """Returns the prediction for an image's (classes,) probabilities, an abstention below that confidence."""
    values: list[float] = probabilities.tolist()
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)  # stable; faster than NumPy on so few
    confidence = values[order[0]]
    is_abstention = confidence < reject_below
    ranked = {classes[index]: values[index] for index in order}
    return Prediction(
        source, None if is_abstention else classes[order[0]], confidence, ranked, is_abstention=is_abstention
    )


class Predictions(Sequence[Prediction]):
    """Predictions in the order of the images; as an array, the labels (so scikit-learn's metrics take it)."""

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
        return "\n".join(to_printable(str(item) if item.error else f"{item.source}: {item}") for item in self._items)
