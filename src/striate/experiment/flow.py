"""The whole flow in one function."""

from __future__ import annotations

import datetime
import tempfile
import time
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import replace
from striate.errors import ConfigError, StriateError
from striate.evaluation.refusal import require_risk
from striate.experiment.conditions import MAX_BROKEN, Conditions
from striate.experiment.inside import save_inside
from striate.experiment.pictures import Prepared, prepare, save_broken
from striate.experiment.results import CORRECTIONS, save_report_page, save_results
from striate.experiment.symptoms import diagnosed
from striate.experiment.watching import Watching
from striate.files import write_json
from striate.history import HistoryFile
from striate.images.corrections import load_corrections, save_corrections
from striate.images.imageset import SPLITS
from striate.images.sources.folder import Nested
from striate.images.sources.load import Data
from striate.images.split import Splits, save_splits
from striate.machine import machine, versions
from striate.models.architecture import Architecture, build
from striate.models.architectures import ARCHITECTURES, DEFAULT, architecture_named
from striate.models.backbones import find_weights
from striate.models.cost import layer_costs
from striate.models.pretrained import refuse_foreign
from striate.progress import SILENT, Progress
from striate.runs import FORMAT, Manifest, Run, RunStore
from striate.signals import on_first_signal
from striate.training.choose import network_of, refuse_grey
from striate.training.plan import preprocessing_of
from striate.training.recipe import Recipe
from striate.training.recipes import recipe_named


def train(
    data: Data | Splits | Prepared,
    *,
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
    target_risk: float | None = None,
    replay: bool = False,
    progress: Progress = SILENT,
    command: str = "",
    **changes: Any,
) -> Run:
    """Returns a finished run: a trained classifier, its report and all that led to it, in a folder.

    Args:
        data: what `load_images` takes, splits made before, or pictures prepared before (as the ladder does).
        architecture: the network; by default the recipe's, or one that suits the data.
        recipe: the name of a recipe, a recipe.json, or a Recipe.
        name: of the run's folder; by default made from data, network and a number.
        runs: the folder of runs.
        data_dir: where named data sets lie or are put.
        validation: share of the pictures to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: share of unreadable pictures above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of pictures to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although pictures of one split have copies in another; the report then states the accuracy
            without them, too.
        target_risk: share of wrong answers allowed, in (0, 1): the classifier then answers only from the confidence on
            that promises it (see Run.threshold), and is unsure below; None answers everything.
        replay: record what the network makes of the same validation pictures after each epoch, see striate replay.
        progress: shows what happens.
        command: the command line that repeats the run, for its report.
        **changes: fields of the recipe to set otherwise (epochs=…, batch=…, dropout=…, seed=…, …).

    Raises:
        StriateError: bad data, names or settings, before anything is written; TrainingError when the loss was never
            finite (the run's folder then says so).
    """
    began = time.perf_counter()
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    store = RunStore(runs)
    store.check_free(name)
    if target_risk is not None:
        require_risk(target_risk)
    given = Conditions(data_dir, validation, test, max_broken, nested, corrections, allow_leaks)
    chosen, network = choose(recipe, architecture, changes, progress)
    if isinstance(data, Prepared):
        pictures, given = data.under(chosen, network), data.given
    else:
        pictures = prepare(data, chosen, given, network=network, progress=progress)
    chosen = pictures.recipe
    network = network or architecture_named(chosen.architecture or DEFAULT)
    classes = pictures.splits.train.classes
    read = time.perf_counter()

    from striate.backend import CHOICE, devices
    from striate.training.loss_trace import LossTrace
    from striate.training.train import fit

    _try_out(network, chosen, classes)
    run = store.create(name, f"{pictures.splits.train.name}-{network.name}")
    write_json(run.path / "recipe.json", chosen)
    save_splits(pictures.splits, run.path / "split.csv")
    if given.corrections is not None:
        save_corrections(load_corrections(Path(given.corrections)), run.path / CORRECTIONS)
    if pictures.broken:
        save_broken(pictures.broken, run.path / "broken.csv")
    record = HistoryFile(run.path / "history.csv")

    def manifest(**outcome: Any) -> Manifest:
        return Manifest(
            format=FORMAT,
            name=run.name,
            command=command,
            data={
                "source": pictures.source,
                "data_dir": given.place,
                "nested": given.nested,
                "name": pictures.splits.train.name,
                "classes": list(classes),
                "counts": {name: len(part) for name, part in zip(SPLITS, pictures.splits, strict=True)},
                "fingerprint": pictures.fingerprint,
            },
            architecture=network.name,
            seed=chosen.seed,
            backend=CHOICE.name,
            device=", ".join(devices()),
            versions=versions(),
            machine=machine(),
            started=started,
            epochs=len(run.epochs),
            findings=pictures.findings,
            **outcome,
        )

    trace = LossTrace()
    watching = Watching(run, progress, pictures.parts[1] if replay else None, chosen.seed)
    try:
        trained = fit(
            pictures.parts[0],
            pictures.parts[1],
            chosen,
            architecture=network,
            progress=progress,
            record=record.append,
            trace=trace,
            watch=watching,
        )
    except StriateError as error:
        seconds = {"total": time.perf_counter() - began}
        failed = manifest(state="failed", reason=str(error), parameters=0, seconds=seconds, kept=0)
        diagnosed(run, failed, pictures.parts, None, trace, progress)
        write_json(run.path / "run.json", failed)
        raise
    finally:
        watching.close()
    learnt = time.perf_counter()
    write_json(run.path / "recipe.json", trained.recipe)
    with on_first_signal(lambda: progress.say("Finishing the report; once more to leave it unfinished.")):
        measured = save_results(run, trained, pictures.parts, progress, leaked=pictures.leaked, target_risk=target_risk)
        done = manifest(
            state="interrupted" if trained.interrupted else "finished",
            reason=None,
            parameters=int(trained.classifier.model.count_params()),
            seconds={
                "reading": read - began,
                "training": learnt - read,
                "measuring": time.perf_counter() - learnt,
                "total": time.perf_counter() - began,
            },
            kept=trained.history.kept,
            multiply_adds=_multiply_adds(trained.classifier),
        )
        diagnosed(run, done, pictures.parts, trained.classifier, trace, progress)
        watching.measured(trained.classifier, measured, trained.history.kept)
        save_inside(run, trained.classifier, trained.history, measured, progress)
        save_report_page(Run(run.path, trained.classifier), done, trained.recipe, trained.history, measured)
        write_json(run.path / "run.json", done)
    return Run(run.path, trained.classifier)


def _multiply_adds(classifier: Classifier) -> int | None:
    """Returns the network's multiply-adds for one picture; None of a network that is not made of known layers."""
    try:
        return sum(row.multiply_adds for row in layer_costs(classifier.model))
    except Exception:  # of someone else's network, anything
        return None


def one_budget(changes: dict[str, Any]) -> dict[str, Any]:
    """Returns the changes of a recipe; epochs asked for take the place of the minutes that it may state.

    Raises:
        ConfigError: both a time and a number of epochs are asked for.
    """
    if changes.get("epochs") is None:
        return changes
    if changes.get("minutes") is not None:
        raise ConfigError("Both a time and a number of epochs are given", hint="--minutes or --epochs")
    return {"minutes": None, **changes}


def choose(
    recipe: str | Path | Recipe, architecture: str | Architecture | None, changes: dict[str, Any], progress: Progress
) -> tuple[Recipe, Architecture | None]:
    """Returns the recipe with its changes and the network it trains, None where the pictures decide. A typo is told,
    and weights are looked for, before any picture is read.
    """
    chosen = recipe_named(recipe)
    network = None
    if named := architecture or chosen.architecture:
        network = architecture_named(named)
        changes = {**changes, "architecture": network.name}
    chosen = replace(chosen, "the recipe", **one_budget(changes))
    if chosen.weights is not None:
        refuse_grey(chosen)
        network = network or architecture_named(network_of(chosen.weights))
        refuse_foreign(network, find_weights(chosen.weights, network.name, progress=progress))
        chosen = replace(chosen, architecture=network.name)
    if network is not None and chosen.dropout is None:
        chosen = replace(chosen, dropout=network.dropout)
    return chosen, network


def _try_out(network: Architecture, recipe: Recipe, classes: tuple[str, ...]) -> None:
    """Builds and saves a user's own network untrained, so that what it lacks is told before the training."""
    if ARCHITECTURES.get(network.name) is network:
        return
    preprocessing = preprocessing_of(recipe)
    model = build(network, preprocessing.shape, len(classes), dropout=recipe.dropout)
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        Classifier(model, classes, preprocessing).save(Path(folder))
