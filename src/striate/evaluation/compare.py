"""Two or more trained classifiers side by side, and whether their difference is real."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.evaluation.intervals import PairedDifference, paired_difference
from striate.evaluation.report import Report
from striate.history import Epoch


@dataclass(frozen=True)
class Contender:
    """What comparing needs to know of a run.

    Attributes:
        name: the run's name.
        settings: setting → value, flat.
        report: on its test pictures.
        correct: picture's key → whether it was answered rightly.
        epochs: its training.
        kept: number of the epoch whose weights it has.
        parameters: weights in its network.
        seconds: its training took.
    """

    name: str
    settings: dict[str, Any]
    report: Report
    correct: dict[str, bool]
    epochs: tuple[Epoch, ...]
    kept: int
    parameters: int
    seconds: float

    @property
    def gap(self) -> float:
        """Accuracy on the training pictures minus accuracy on the validation pictures, last epoch: overfitting's
        plainest sign.
        """
        return self.epochs[-1].accuracy - self.epochs[-1].val_accuracy if self.epochs else float("nan")


@dataclass(frozen=True)
class Pair:
    """Two runs on the same test pictures; `paired` is None when their test pictures differ."""

    a: str
    b: str
    paired: PairedDifference | None

    @property
    def verdict(self) -> str:
        """What may be said about the two."""
        if self.paired is None:
            return "measured on different pictures, so they cannot be compared"
        if self.paired.p_value >= 0.05:
            return "cannot be told apart"
        return f"{self.b if self.paired.difference > 0 else self.a} is better"


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        contenders: the runs, in the order given.
        differing: setting → the runs' values, for settings that are not the same everywhere.
        pairs: every two of them.
    """

    contenders: tuple[Contender, ...]
    differing: dict[str, tuple[Any, ...]]
    pairs: tuple[Pair, ...]

    def summary(self) -> dict[str, Any]:
        """Returns the comparison as plain JSON values."""
        return {
            "runs": [
                {
                    "run": one.name,
                    "n": one.report.n,
                    "accuracy": one.report.accuracy,
                    "interval": list(one.report.interval),
                    "loss": one.report.loss,
                    "gap": one.gap if one.epochs else None,
                    "epochs": len(one.epochs),
                    "kept": one.kept,
                    "parameters": one.parameters,
                    "seconds": one.seconds,
                }
                for one in self.contenders
            ],
            "differing": {name: list(values) for name, values in self.differing.items()},
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "difference": pair.paired.difference if pair.paired else None,
                    "interval": list(pair.paired.interval) if pair.paired else None,
                    "p_value": pair.paired.p_value if pair.paired else None,
                    "only_a": pair.paired.only_first if pair.paired else None,
                    "only_b": pair.paired.only_second if pair.paired else None,
                    "verdict": pair.verdict,
                }
                for pair in self.pairs
            ],
        }


def compare(contenders: Sequence[Contender]) -> Comparison:
    """Returns the runs side by side: what differs in their settings, and every pair tested on the same pictures."""
    names = list(dict.fromkeys(name for one in contenders for name in one.settings))
    table = {name: tuple(one.settings.get(name) for one in contenders) for name in names}
    return Comparison(
        contenders=tuple(contenders),
        differing={name: values for name, values in table.items() if any(value != values[0] for value in values)},
        pairs=tuple(Pair(a.name, b.name, _paired(a, b)) for a, b in itertools.combinations(contenders, 2)),
    )


def _paired(a: Contender, b: Contender) -> PairedDifference | None:
    """Returns None unless keys and classes agree: the test pictures of MNIST and Fashion-MNIST have the same keys."""
    if a.correct.keys() != b.correct.keys() or _supports(a) != _supports(b) or not a.correct:
        return None
    return paired_difference(np.array(list(a.correct.values())), np.array([b.correct[key] for key in a.correct]))


def _supports(contender: Contender) -> dict[str, int]:
    return {row.name: row.support for row in contender.report.classes}
