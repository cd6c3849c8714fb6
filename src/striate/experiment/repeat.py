"""Several trainings of one kind: with other seeds, or held out fold by fold."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from striate.config import replace
from striate.drawing import percent
from striate.environment import backend_choice
from striate.errors import ConfigError, StriateError
from striate.experiment.flow import MAX_BROKEN, choose, train
from striate.experiment.folds import assign_folds, fold_pictures
from striate.experiment.pictures import Gathered, Prepared, decode, gather
from striate.experiment.repeated import FORMAT, MANIFEST, Document, Kind, Plan, Repeated, State, completed, earlier
from striate.files import write_json
from striate.images.sources.folder import Nested
from striate.images.sources.load import Data
from striate.images.split import Splits
from striate.models.architecture import Architecture
from striate.models.architectures import DEFAULT, architecture_named
from striate.progress import SILENT, Labelled, Progress
from striate.runs import Run, RunStore
from striate.signals import hearing_signals
from striate.training.plan import plan
from striate.training.recipe import Recipe


def repeat(
    data: Data | Splits,
    *,
    seeds: int | None = None,
    folds: int | None = None,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    max_broken: float = MAX_BROKEN,
    nested: Nested = "top",
    corrections: str | Path | None = None,
    allow_leaks: bool = False,
    progress: Progress = SILENT,
    command: str = "",
    **changes: Any,
) -> Repeated:
    """Returns several finished runs of one kind and how far they spread. Pictures are read, checked and decoded once.
    Called again with the same arguments it goes on where it stopped: finished runs are kept.

    With `seeds`, all runs share one division of the pictures and are measured on the same test pictures. With `folds`,
    the pictures are cut into so many parts, stratified, copies of one picture together, and each part is held out once
    and measured by a network that was trained on the others (k-fold cross-validation, Stone 1974). A test split that
    the data brings takes no part in that: it stays untouched for the one network that is chosen in the end.

    Args:
        data: what `load_images` takes, or splits made before.
        seeds: how many runs, with the recipe's seed and the next ones; 2 or more.
        folds: how many folds instead; 2 or more.
        architecture: the network; by default the recipe's, or one that suits the data.
        recipe: the name of a recipe, a recipe.json, or a Recipe.
        name: of the summary's folder, and what the runs' names begin with: NAME-seed-0 …, NAME-fold-1 …; by default
            made from data and network.
        runs: the folder that all of it lies in.
        data_dir: where named data sets lie or are put.
        validation: share of the pictures to choose by, unless the data brings its own.
        test: share to measure on with `seeds`, unless the data brings its own.
        max_broken: share of unreadable pictures above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of pictures to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although pictures of one split have copies in another.
        progress: shows what happens.
        command: the command line that repeats it, for the runs' reports.
        **changes: fields of the recipe to set otherwise (epochs=…, batch=…, dropout=…, seed=…, …).

    Raises:
        StriateError: bad data, names or settings, or that name with another plan, before anything is written. A
            training that fails does not end the others; its reason is in the result.
    """
    kind, count = _asked(seeds, folds)
    chosen, network = choose(recipe, architecture, changes, progress)
    found = gather(
        data,
        seed=chosen.seed,
        data_dir=data_dir,
        validation=validation,
        test=test,
        nested=nested,
        corrections=corrections,
        allow_leaks=allow_leaks,
        progress=progress,
    )
    planned = plan(chosen, found.splits.train)
    network = network or architecture_named(planned.architecture or DEFAULT)
    stem = re.sub(r"[^\w.+-]+", "-", f"{found.whole.name}-{network.name}").strip("-.")
    name = name or (stem if kind == "seeds" else f"{stem}-cv")
    intended = Plan(
        kind=kind,
        count=count,
        data={
            "source": found.source,
            "data_dir": None if data_dir is None else str(Path(data_dir).resolve()),
            "name": found.whole.name,
            "fingerprint": found.whole.fingerprint(),
            "validation": validation,
            "test": test,
        },
        recipe=planned,
        backend=backend_choice().name,
    )
    work = _Work(Path(runs), name, intended, progress)
    before = earlier(RunStore(runs), name, intended, work.names)
    if before is not None and before.state == "finished" and not work.missing():
        progress.say(f"All {count} runs are there already.")
        return work.summed(before)
    fold = assign_folds(found.whole, found.copies.group, count, seed=planned.seed) if kind == "folds" else None
    progress.say(_described(found, planned, network, kind, count))
    pictures = decode(found, planned, max_broken=max_broken, progress=progress)

    def of(number: int) -> Prepared:
        if fold is None:
            return pictures
        return fold_pictures(pictures, found, fold, number, validation=validation)

    return work.train(
        of,
        before,
        architecture=network,
        data_dir=data_dir,
        nested=nested,
        corrections=corrections,
        command=command,
    )


class _Work:
    """The runs, some of them there already.

    Args:
        runs: the folder they lie in.
        name: what their names begin with.
        plan: what is repeated.
        progress: shows what happens.
    """

    def __init__(self, runs: Path, name: str, plan: Plan, progress: Progress) -> None:
        self.runs, self.folder, self.plan, self.progress = runs, runs / name, plan, progress
        first = plan.recipe.seed if plan.kind == "seeds" else 1
        word = plan.kind.removesuffix("s")
        self.names = tuple(f"{name}-{word}-{number}" for number in range(first, first + plan.count))
        self.interrupted = False

    def missing(self) -> list[str]:
        """Returns the names of the runs still to be trained."""
        return [name for name in self.names if Run(self.runs / name).state != "finished"]

    def train(self, of: Any, before: Document | None, **settings: Any) -> Repeated:
        """Trains what is missing and returns the summary, written.

        Args:
            of: the number of a run, from 1, → its pictures.
            before: what earlier work left.
            **settings: for every training.
        """
        from striate.training.loop import explained

        missing = self.missing()
        if len(missing) < len(self.names):
            self.progress.say(f"{len(self.names) - len(missing)} of {len(self.names)} runs are there already.")
        begun = list(before.begun) if before is not None else []
        failed: dict[str, str] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        for place, name in enumerate(missing):
            begun += [] if name in begun else [name]
            write_json(self.folder / MANIFEST, Document(FORMAT, "unfinished", self.plan, tuple(begun)))
            if (self.runs / name).exists():  # what an interrupted, killed or failed training left
                shutil.rmtree(self.runs / name)
            number = self.names.index(name) + 1
            seed = self.plan.recipe.seed + (number - 1 if self.plan.kind == "seeds" else 0)
            label = f"{number}/{len(self.names)}"
            try:
                with hearing_signals(self._stop), explained(self.plan.recipe):
                    self.progress.say(f"{label}  {name}")
                    train(
                        of(number),
                        recipe=replace(self.plan.recipe, seed=seed),
                        name=name,
                        runs=self.runs,
                        progress=Labelled(self.progress, label),
                        **settings,
                    )
            except KeyboardInterrupt:
                self.interrupted = True
            except StriateError as error:
                failed[name] = str(error)
                self.progress.say(f"{name} failed: {error}")
            if self.interrupted:
                break
            self._say_result(name, missing[place + 1 :])
        state: State = "interrupted" if self.interrupted else "failed" if failed else "finished"
        return self.summed(Document(FORMAT, state, self.plan, tuple(begun), failed or None))

    def summed(self, document: Document) -> Repeated:
        """Returns the summary of what is finished, written."""
        found = Repeated(self.folder, completed(document, self.runs, self.names, plan=self.plan))
        found.save()
        return found

    def _stop(self) -> None:
        self.interrupted = True
        self.progress.say("The work ends with this run; once more to end it at once.")

    def _say_result(self, name: str, rest: list[str]) -> None:
        run = Run(self.runs / name)
        if run.state != "finished":
            return
        line = f"{name}: {percent(run.report.accuracy, 2)} of {run.report.n:,} pictures"
        if rest:
            done = [one for other in self.names if (one := Run(self.runs / other)).state == "finished"]
            seconds = sum(one.manifest.seconds["total"] for one in done) / len(done) * len(rest)
            line += f"; roughly {f'{seconds / 60:.0f} min' if seconds > 90 else f'{seconds:.0f} s'} left"
        self.progress.say(line)


def _asked(seeds: int | None, folds: int | None) -> tuple[Kind, int]:
    if (seeds is None) == (folds is None):
        raise ConfigError(
            "Either seeds or folds are repeated", received="both" if seeds else "neither", expected="--seeds or --folds"
        )
    kind: Kind = "folds" if seeds is None else "seeds"
    count = seeds or folds or 0
    if count < 2:
        raise ConfigError(f"The number of {kind} cannot be used", received=count, expected="2 or more")
    return kind, count


def _described(found: Gathered, planned: Recipe, network: Architecture, kind: Kind, count: int) -> str:
    if kind == "seeds":
        return f"{network.name}, {count} seeds, on {found.described(planned)}"
    pool = int((found.whole.given != "test").sum())
    aside = len(found.whole) - pool
    untouched = f"; the data's own {aside:,} test pictures take no part" if aside else ""
    return f"{network.name}, {count} folds of {found.whole.name}'s {pool:,} pictures{untouched}"
