"""Standings: a ladder's folder, its plan and its results.

ladder.json         what is compared, and the results: written first without and last with them
ladder.csv          one row per network
ladder.png          accuracy against cost
<network>-seed<k>/  an ordinary run
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate import drawing
from striate.config import config, plain
from striate.evaluation import ladder_plot
from striate.experiment.plans import fixed, read_earlier, refuse_other_plan
from striate.experiment.rung import Rung, Step
from striate.files import write_csv, write_json
from striate.runs import Run
from striate.store import RunStore
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FORMAT = 1


@config
class Plan:
    """What is compared. Of two commands with one name, only rungs and the number of seeds may differ.

    Attributes:
        data: the pictures: source, data_dir, name, fingerprint, and shares set aside where the data brings no split.
        rungs: the networks' names.
        seeds: runs per network: the recipe's seed and the next ones. Pictures are divided by the first alone.
        recipe: every run's, without network.
        backend: Keras' backend.
    """

    data: dict[str, Any]
    rungs: tuple[str, ...]
    seeds: int
    recipe: Recipe
    backend: str


@config
class Document:
    """What ladder.json holds.

    Attributes:
        format: of the ladder's folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a network could not be
            trained; `finished`: all were.
        plan: what is compared.
        rungs: a row per network.
        steps: neighbours compared.
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
        """One row per network, in the ladder's order."""
        return self.document.rungs

    @property
    def steps(self) -> tuple[Step, ...]:
        """Each network against the next one that was trained."""
        return self.document.steps

    @property
    def runs(self) -> dict[str, Run]:
        """Name → finished run."""
        return {name: Run(self.path / name) for rung in self.rows for name in rung.runs}

    def figure(self) -> Figure:
        """Returns accuracy against cost, see ladder_plot."""
        data, seeds = self.document.plan.data["name"], self.document.plan.seeds
        trained = [rung for rung in self.rows if rung.accuracy is not None]
        pictures = f"{trained[0].n:,} test pictures" if trained else "test pictures"
        bars = "95 % intervals (Wilson)" if seeds == 1 else f"one standard deviation over {seeds} seeds"
        return ladder_plot.ladder(self.points(), title=f"{data}: accuracy on {pictures}", note=f"Bars: {bars}.")

    def points(self) -> list[ladder_plot.Point]:
        """Returns what a figure shows of the networks that were trained."""
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
        document = plain(self.document)
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
        drawing.save(self.figure(), self.path / "ladder.png")
        write_json(self.path / "ladder.json", self.document)


def earlier(store: RunStore, name: str, intended: Plan) -> Document | None:
    """Returns what the ladder's folder says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name is taken by something else, or by a ladder with another plan.
    """
    before = read_earlier(Document, store, name, "ladder.json")
    if before is not None:
        old, new = (fixed(one.data, one.recipe, one.backend) for one in (before.plan, intended))
        refuse_other_plan(f"The ladder {name}", old, new)
    return before
