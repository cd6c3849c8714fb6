"""Rung: what one network reached in a ladder, over its seeds; Step: whether the next one is really better."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.config import config
from striate.evaluation.comparison.compare import compare
from striate.models.architecture import Architecture
from striate.runs import Run

State = Literal["finished", "failed", "missing"]


@config
class Rung:
    """One network's row. Figures are means over its finished runs, and None while there is no such run.

    Attributes:
        architecture: the network's name.
        year: when it was proposed.
        state: `finished`: every seed is; `failed`: one could not be trained; `missing`: not all have been yet.
        reason: why it failed.
        runs: names of the finished runs, one a seed.
        n: test pictures.
        accuracies: on the test pictures, one a run, 0..1.
        accuracy: their mean.
        interval: 95 % confidence interval of one run's accuracy (Wilson); None with several, which say it themselves.
        deviation: standard deviation of several runs' accuracies; None with one.
        loss: mean cross-entropy on the test pictures, nats.
        epochs: passes over the training pictures; a fraction where a budget of minutes did not allow one.
        seconds_per_epoch: for one pass, at the median epoch's speed, validation left out; a run's first epoch also
            builds the computation.
        seconds: whole training, validation included.
        parameters: weights in the network.
        multiply_adds: for one picture.
        milliseconds: per picture when predicting in batches (see `milliseconds_per_picture`).
    """

    architecture: str
    year: int
    state: State
    reason: str | None = None
    runs: tuple[str, ...] = ()
    n: int | None = None
    accuracies: tuple[float, ...] = ()
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    deviation: float | None = None
    loss: float | None = None
    epochs: float | None = None
    seconds_per_epoch: float | None = None
    seconds: float | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    milliseconds: float | None = None

    @property
    def bar(self) -> tuple[float, float] | None:
        """How far to trust the accuracy: its interval, or with several seeds one standard deviation to each side."""
        if self.interval is not None or self.accuracy is None or self.deviation is None:
            return self.interval
        return self.accuracy - self.deviation, self.accuracy + self.deviation


@config
class Step:
    """From one network to the next in the ladder, on the same test pictures.

    Attributes:
        a: the network.
        b: the next.
        differences: accuracy of b minus accuracy of a, one a seed.
        p_values: McNemar's exact test that both are equally often right, one a seed.
    """

    a: str
    b: str
    differences: tuple[float, ...]
    p_values: tuple[float, ...]

    @property
    def difference(self) -> float:
        """Mean difference over the seeds."""
        return statistics.fmean(self.differences)

    @property
    def better(self) -> str | None:
        """The network that is better under every seed (p < 0.05), or None when the two cannot be told apart."""
        for name, sign in ((self.a, -1), (self.b, 1)):
            if all(p < 0.05 and sign * d > 0 for p, d in zip(self.p_values, self.differences, strict=True)):
                return name
        return None

    @property
    def verdict(self) -> str:
        """What may be said about the two, in the words of `compare`."""
        return f"{self.better} is better" if self.better else "cannot be told apart"


def measured(network: Architecture, runs: Sequence[Run], seeds: int, *, reason: str | None, **known: Any) -> Rung:
    """Returns the row of a network.

    Args:
        network: the network.
        runs: its finished runs.
        seeds: how many there should be.
        reason: why it failed, if it did.
        **known: figures that the runs do not tell.
    """
    state: State = "failed" if reason else "finished" if len(runs) == seeds else "missing"
    if not runs:
        return Rung(network.name, network.year, state, reason, **known)
    reports, manifests = [run.report for run in runs], [run.manifest for run in runs]
    accuracies = tuple(report.accuracy for report in reports)
    one = len(runs) == 1
    return Rung(
        architecture=network.name,
        year=network.year,
        state=state,
        reason=reason,
        runs=tuple(run.name for run in runs),
        n=reports[0].n,
        accuracies=accuracies,
        accuracy=statistics.fmean(accuracies),
        interval=reports[0].interval if one else None,
        deviation=None if one else statistics.stdev(accuracies),
        loss=statistics.fmean(report.loss for report in reports),
        epochs=statistics.fmean(map(_passes, runs)),
        seconds_per_epoch=_train(runs[0]) / statistics.median(e.images_per_second for run in runs for e in run.epochs),
        seconds=statistics.fmean(manifest.seconds["training"] for manifest in manifests),
        parameters=manifests[0].parameters,
        **known,
    )


def _train(run: Run) -> int:
    pictures: int = run.manifest.data["counts"]["train"]
    return pictures


def _passes(run: Run) -> float:
    steps, batch = run.recipe.steps_per_epoch, run.recipe.batch or 1
    return len(run.epochs) * (1.0 if steps is None else steps * batch / _train(run))


def steps(rungs: Sequence[Rung], run: Callable[[str], Run]) -> tuple[Step, ...]:
    """Returns each finished rung against the next one, seed by seed; `run` finds a run by its name."""
    contenders = {rung.architecture: [run(name).contender() for name in rung.runs] for rung in rungs if rung.runs}
    found = []
    names = list(contenders)
    for a, b in itertools.pairwise(names):
        both = [compare(pair).pairs[0].paired for pair in zip(contenders[a], contenders[b], strict=False)]
        found.append(Step(a, b, tuple(one.difference for one in both), tuple(one.p_value for one in both)))
    return tuple(step for step in found if step.differences)


def milliseconds_per_picture(classifier: Classifier, pixels: NDArray[np.uint8]) -> float:
    """Returns how long a prediction takes, ms per picture: the median of three to nine rounds after one to warm up.

    Args:
        classifier: what predicts.
        pixels: (n, h, w, c) uint8, decoded already; a round goes over all of them in the classifier's batches.
    """
    classifier.log_probabilities(pixels)
    rounds: list[float] = []
    while len(rounds) < 3 or (len(rounds) < 9 and sum(rounds) < 2):
        began = time.perf_counter()
        classifier.log_probabilities(pixels)
        rounds.append(time.perf_counter() - began)
    return 1000 * statistics.median(rounds) / len(pixels)
