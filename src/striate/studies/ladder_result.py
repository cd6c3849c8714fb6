"""Rung: what one model reached in a ladder, over its seeds; Step: whether the next one is really better."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.config import frozen_config, to_plain
from striate.evaluation.comparison.compare import compare
from striate.models.architecture import Architecture
from striate.reporting.figures import save_figure
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.studies import ladder_plot
from striate.studies.study import build_fixed_settings, load_earlier_manifest, refuse_other_plan
from striate.system.atomic_files import write_csv, write_json
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

State = Literal["finished", "failed", "missing"]


@frozen_config
class Rung:
    """One model's row. Figures are means over its finished runs, and None while there is no such run.

    Attributes:
        architecture: the model's name.
        year: when it was proposed.
        state: `finished`: every seed is; `failed`: one could not be trained; `missing`: not all have been yet.
        reason: why it failed.
        runs: names of the finished runs, one a seed.
        n: test images.
        accuracies: on the test images, one a run, 0..1.
        accuracy: their mean.
        interval: 95 % confidence interval of one run's accuracy (Wilson); None with several, which say it themselves.
        deviation: standard deviation of several runs' accuracies; None with one.
        loss: mean cross-entropy on the test images, nats.
        epochs: passes over the training images; a fraction where a budget of minutes did not allow one.
        seconds_per_epoch: for one pass, at the median epoch's speed, validation left out; a run's first epoch also
            builds the computation.
        seconds: whole training, validation included.
        parameters: weights in the model.
        multiply_adds: for one image.
        milliseconds: per image when predicting in batches (see `measure_ms_per_image`).
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


@frozen_config
class Step:
    """From one model to the next in the ladder, on the same test images.

    Attributes:
        a: the model.
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
        """The model that is better under every seed (p < 0.05), or None if the difference is not significant."""
        for name, sign in ((self.a, -1), (self.b, 1)):
            if all(p < 0.05 and sign * d > 0 for p, d in zip(self.p_values, self.differences, strict=True)):
                return name
        return None

    @property
    def verdict(self) -> str:
        """What may be said about the two, in the words of `compare`."""
        return f"{self.better} is better" if self.better else "no significant difference"


def measured(network: Architecture, runs: Sequence[Run], seeds: int, *, reason: str | None, **known: Any) -> Rung:
    """Returns the row of a model.

    Args:
        network: the model.
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
        seconds=statistics.fmean(manifest.phase_seconds["training"] for manifest in manifests),
        parameters=manifests[0].parameters,
        **known,
    )


def _train(run: Run) -> int:
    images: int = run.manifest.data["counts"]["train"]
    return images


def _passes(run: Run) -> float:
    steps, batch = run.recipe.steps_per_epoch, run.recipe.batch or 1
    return len(run.epochs) * (1.0 if steps is None else steps * batch / _train(run))


def steps(rungs: Sequence[Rung], run: Callable[[str], Run]) -> tuple[Step, ...]:
    """Returns each finished rung against the next one, seed by seed; `run` finds a run by its name."""
    contenders = {rung.architecture: [run(name).build_summary() for name in rung.runs] for rung in rungs if rung.runs}
    found = []
    names = list(contenders)
    for a, b in itertools.pairwise(names):
        both = [compare(pair).pairs[0].paired_difference for pair in zip(contenders[a], contenders[b], strict=False)]
        found.append(Step(a, b, tuple(one.difference for one in both), tuple(one.p_value for one in both)))
    return tuple(step for step in found if step.differences)


FORMAT = 1


@frozen_config
class Plan:
    """What is compared. Of two commands with one name, only rungs and the number of seeds may differ.

    Attributes:
        data: the images: source, data_dir, name, fingerprint, and shares set aside where the data brings no split.
        rungs: the models' names.
        seeds: runs per model: the recipe's seed and the next ones. Images are divided by the first alone.
        recipe: every run's, without network.
        backend: Keras' backend.
    """

    data: dict[str, Any]
    rungs: tuple[str, ...]
    seeds: int
    recipe: Recipe
    backend: str


@frozen_config
class Document:
    """What ladder.json holds.

    Attributes:
        format: of the ladder's folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a model could not be
            trained; `finished`: all were.
        plan: what is compared.
        rungs: a row per model.
        steps: neighbors compared.
    """

    format: int
    state: Literal["unfinished", "interrupted", "failed", "finished"]
    plan: Plan
    rungs: tuple[Rung, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """A ladder's folder and its results.

    Attributes:
        path: the folder, itself a folder of runs.
        document: what its ladder.json holds.
    """

    path: Path
    document: Document

    @property
    def state(self) -> str:
        """finished, failed, interrupted or unfinished."""
        return self.document.state

    @property
    def rows(self) -> tuple[Rung, ...]:
        """One row per model, in the ladder's order."""
        return self.document.rungs

    @property
    def steps(self) -> tuple[Step, ...]:
        """Each model against the next one that was trained."""
        return self.document.steps

    @property
    def runs(self) -> dict[str, Run]:
        """Name → finished run."""
        return {name: Run(self.path / name) for rung in self.rows for name in rung.runs}

    def figure(self) -> Figure:
        """Returns accuracy against cost, see ladder_plot."""
        data, seeds = self.document.plan.data["name"], self.document.plan.seeds
        trained = [rung for rung in self.rows if rung.accuracy is not None]
        images = f"{trained[0].n:,} test images" if trained else "test images"
        bars = "95 % intervals (Wilson)" if seeds == 1 else f"one standard deviation over {seeds} seeds"
        return ladder_plot.ladder(self.points(), title=f"{data}: accuracy on {images}", note=f"Bars: {bars}.")

    def points(self) -> list[ladder_plot.Point]:
        """Returns what a figure shows of the models that were trained."""
        return [
            ladder_plot.Point(
                name=rung.architecture,
                year=rung.year,
                accuracy=rung.accuracy,
                bar=rung.bar or (rung.accuracy, rung.accuracy),
                loss=rung.loss or 0.0,
                seconds=rung.seconds or 0.0,
                multiply_adds=rung.multiply_adds or 0,
            )
            for rung in self.rows
            if rung.accuracy is not None
        ]

    def summary(self) -> dict[str, Any]:
        """Returns the ladder as plain JSON values."""
        document = to_plain(self.document)
        for step, row in zip(self.steps, document["steps"], strict=True):
            row |= {"difference": step.difference, "verdict": step.verdict}
        return {"ladder": str(self.path), **document, "plot": str(self.path / "ladder.png")}

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        names = [field for field in Rung.__dataclass_fields__ if field not in ("runs", "accuracies", "interval")]
        rows = [
            (*(getattr(rung, field) for field in names), len(rung.runs), *(rung.bar or ("", ""))) for rung in self.rows
        ]
        write_csv(self.path / "ladder.csv", (*names, "seeds", "low", "high"), rows)
        save_figure(self.figure(), self.path / "ladder.png")
        write_json(self.path / "ladder.json", self.document)


def earlier(store: RunStore, name: str, intended: Plan) -> Document | None:
    """Returns what the ladder's folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by a ladder with another plan.
    """
    before = load_earlier_manifest(Document, store, name, "ladder.json")
    if before is not None:
        old, new = (build_fixed_settings(one.data, one.recipe, one.backend) for one in (before.plan, intended))
        refuse_other_plan(f"The ladder {name}", old, new)
    return before
