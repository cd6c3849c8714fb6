"""Repeated: what several trainings of one kind reached. Its folder lies beside theirs.

repeat.json         what is repeated, and the results: written first without and last with them
repeat.csv          one row per training
repeat.png          the spread
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from striate import drawing
from striate.config import config, from_json, plain
from striate.errors import ConfigError, RunError
from striate.evaluation.spread import Spread, spread
from striate.evaluation.spread_plot import spread_figure
from striate.files import write_csv, write_json
from striate.runs import Run, RunStore, flat_settings
from striate.training.recipe import Recipe

FORMAT = 1
MANIFEST = "repeat.json"
Kind = Literal["seeds", "folds"]
State = Literal["unfinished", "interrupted", "failed", "finished"]


@config
class Plan:
    """What is repeated. Of two commands with one name, only the number of seeds may differ.

    Attributes:
        kind: `seeds`: the same pictures, other initial weights and orders; `folds`: cross-validation.
        count: how many trainings.
        data: the pictures: source, data_dir, name, fingerprint, and shares set aside where the data brings no split.
        recipe: every training's; its seed is the first one's, and the division's.
        backend: Keras' backend.
    """

    kind: Kind
    count: int
    data: dict[str, Any]
    recipe: Recipe
    backend: str


@config
class Trial:
    """One training's row.

    Attributes:
        name: of its run.
        seed: its own.
        fold: the fold held out, from 1; None with seeds.
        n: pictures measured.
        accuracy: on them, 0..1.
        interval: its 95 % confidence interval (Wilson).
        loss: mean cross-entropy on them, nats.
        epochs: trained.
        kept: number of the epoch whose weights were kept.
        seconds: whole training.
    """

    name: str
    seed: int
    fold: int | None
    n: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    epochs: int
    kept: int
    seconds: float


@config
class Document:
    """What repeat.json holds.

    Attributes:
        format: of the folder.
        state: `unfinished`: at work, or killed; `interrupted`: ended by a signal; `failed`: a training could not be
            done; `finished`: all were.
        plan: what is repeated.
        begun: names of the runs that were begun for it, finished or not.
        failed: run's name → why it failed.
        trials: a row per finished training.
        spread: what they say together; None while there is none.
        seconds: all of them took.
    """

    format: int
    state: State
    plan: Plan
    begun: tuple[str, ...] = ()
    failed: dict[str, str] | None = None
    trials: tuple[Trial, ...] = ()
    spread: Spread | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Repeated:
    """Several trainings of one kind and what they say together.

    Attributes:
        path: the folder of the summary; the runs lie beside it.
        document: what its repeat.json holds.
    """

    path: Path
    document: Document

    @property
    def state(self) -> str:
        """finished, failed, interrupted or unfinished."""
        return self.document.state

    @property
    def spread(self) -> Spread | None:
        """What the finished trainings say together; None while there is none."""
        return self.document.spread

    @property
    def trials(self) -> tuple[Trial, ...]:
        """One row per finished training."""
        return self.document.trials

    @property
    def runs(self) -> dict[str, Run]:
        """Name → finished run."""
        return {trial.name: Run(self.path.parent / trial.name) for trial in self.trials}

    @property
    def note(self) -> str:
        """What the interval of the mean says, and what it does not."""
        if self.document.plan.kind == "folds":
            return (
                "The folds' trainings share most of their pictures, so their spread tells too little of what other "
                "pictures would change; no unbiased estimate of that exists (Bengio and Grandvalet 2004)."
            )
        return (
            "The interval of the mean is for other seeds on these same pictures; that they are a sample of all "
            "pictures is what the interval beside the number of pictures tells."
        )

    def summary(self) -> dict[str, Any]:
        """Returns it as plain JSON values."""
        return {
            "repeat": str(self.path),
            **plain(self.document),
            "note": self.note,
            "plot": str(self.path / "repeat.png"),
        }

    def save(self) -> None:
        """Writes table, figure and, last, the manifest."""
        names = list(Trial.__dataclass_fields__)
        rows = [
            [getattr(trial, name) for name in names if name != "interval"] + [*trial.interval] for trial in self.trials
        ]
        header = [*(name for name in names if name != "interval"), "low", "high"]
        write_csv(self.path / "repeat.csv", header, rows)
        if self.spread is not None:
            reports = [run.report for run in self.runs.values()]
            short = [f"seed {trial.seed}" if trial.fold is None else f"fold {trial.fold}" for trial in self.trials]
            drawing.save(
                spread_figure(short, reports, self.spread, title=self._title(), note=self._caption()),
                self.path / "repeat.png",
            )
        write_json(self.path / MANIFEST, self.document)

    def _title(self) -> str:
        return f"{self.path.name}: {len(self.trials)} {self.document.plan.kind}"

    def _caption(self) -> str:
        n, kind = self.spread.pictures.n if self.spread else 0, self.document.plan.kind
        band = "" if len(self.trials) == 1 else " The band is the 95 % interval of the mean (t)."
        place = "measured on" if kind == "seeds" else "all together on"
        return f"Every point is one training, {place} {n:,} pictures.{band}"


def completed(document: Document, runs: Path, names: tuple[str, ...], **changes: Any) -> Document:
    """Returns the document with the rows of those named runs that are finished, and what they say together."""
    done = [run for name in names if (run := Run(runs / name)).state == "finished"]
    is_folds = document.plan.kind == "folds"
    reports = [run.report for run in done]
    trials = tuple(
        Trial(
            name=run.name,
            seed=run.manifest.seed,
            fold=names.index(run.name) + 1 if is_folds else None,
            n=report.n,
            accuracy=report.accuracy,
            interval=report.interval,
            loss=report.loss,
            epochs=run.manifest.epochs,
            kept=run.manifest.kept,
            seconds=run.manifest.seconds["training"],
        )
        for run, report in zip(done, reports, strict=True)
    )
    fields = {name: getattr(document, name) for name in Document.__dataclass_fields__}
    fields |= {
        "trials": trials,
        "spread": spread(reports, same_pictures=not is_folds) if reports else None,
        "seconds": sum(run.manifest.seconds["total"] for run in done),
        **changes,
    }
    return Document(**fields)


def earlier(store: RunStore, name: str, intended: Plan, trials: tuple[str, ...]) -> Document | None:
    """Returns what the folder of that name says of earlier work; None when there is no such folder.

    Raises:
        RunError: the name, or that of a run to be made, is taken by something else, or by the same with another plan.
    """
    path = store.root / name / MANIFEST
    before = None
    if path.is_file():
        before = _read(path)
        old, new = _fixed(before.plan), _fixed(intended)
        for setting in dict.fromkeys((*old, *new)):
            if old.get(setting) != new.get(setting):
                raise RunError(
                    f"{name} was begun with another plan",
                    received=f"{setting} {_shown(new.get(setting))}",
                    expected=f"{setting} {_shown(old.get(setting))}",
                    hint="another --name",
                )
    else:
        store.check_free(name)
    for trial in trials:
        if before is None or trial not in before.begun:
            store.check_free(trial)
    return before


def expanded(store: RunStore, name: str) -> list[Run]:
    """Returns the run of that name, or the finished runs of what `repeat` made under it.

    Raises:
        RunError: there is neither.
    """
    for folder in (Path(name), store.root / name):
        if (folder / MANIFEST).is_file():
            runs = list(Repeated(folder, _read(folder / MANIFEST)).runs.values())
            if not runs:
                raise RunError(f"Of {name} no training is finished", received=folder)
            return runs
    return [store.find(name)]


def _read(path: Path) -> Document:
    try:
        return from_json(Document, path.read_bytes(), str(path))
    except ConfigError as error:
        raise RunError(f"{MANIFEST} is damaged or from another version of Striate. {error}") from None


def _fixed(plan: Plan) -> dict[str, Any]:
    """Returns what must be the same for trainings to stand in one summary."""
    return {
        "kind": plan.kind,
        **({"folds": plan.count} if plan.kind == "folds" else {}),
        "pictures": plan.data["fingerprint"],
        "validation": plan.data["validation"],
        "test": plan.data["test"],
        **flat_settings(plan.recipe),
        "backend": plan.backend,
    }


def _shown(value: Any) -> str:
    return "left open" if value is None else str(value)[:40]
