"""The whole flow in one function: data → splits → training → report → run folder."""

from __future__ import annotations

import csv
import datetime
import os
import platform
import tempfile
import time
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.classifier import Classifier
from striate.config import replace
from striate.environment import version_of
from striate.errors import DataError, TrainingError
from striate.evaluation.measure import Measured, measure, save_predictions
from striate.files import write_json, writing
from striate.history import History, HistoryFile
from striate.images.cache import Decoded, decode_all
from striate.images.check import check
from striate.images.imageset import SPLITS, ImageSet
from striate.images.sources.load import Data, load_images
from striate.images.sources.named import DATASETS
from striate.images.split import Splits, load_splits, save_splits, split
from striate.models.architecture import Architecture, build
from striate.models.architectures import architecture_named
from striate.progress import SILENT, Progress
from striate.runs import FORMAT, Manifest, Run, RunStore, flat_settings
from striate.training.plan import plan, preprocessing_of
from striate.training.recipe import Recipe
from striate.training.recipes import recipe_named

if TYPE_CHECKING:
    from striate.training.train import Trained

MAX_BROKEN = 0.2  # share of unreadable pictures above which a training does not begin
PACKAGES = (
    "striate",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "scikit-learn",
)


def train(
    data: Data | Splits,
    *,
    architecture: str | Architecture | None = None,
    recipe: str | Path | Recipe = "default",
    name: str | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    max_broken: float = MAX_BROKEN,
    progress: Progress = SILENT,
    command: str = "",
    **changes: Any,
) -> Run:
    """Returns a finished run: a trained classifier, its report and all that led to it, in a folder.

    Args:
        data: what `load_images` takes, or splits made before.
        architecture: the network; by default the recipe's, or one that suits the data.
        recipe: the name of a recipe, a recipe.json, or a Recipe.
        name: of the run's folder; by default made from data, network and a number.
        runs: the folder of runs.
        data_dir: where named data sets lie or are put.
        validation: share of the pictures to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: share of unreadable pictures above which nothing is trained.
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
    chosen = recipe_named(recipe)
    if architecture is not None:
        changes["architecture"] = architecture if isinstance(architecture, str) else architecture.name
    chosen = replace(chosen, "the recipe", **changes) if changes else chosen
    own = architecture if isinstance(architecture, Architecture) else None
    if own is None and chosen.architecture is not None:
        architecture_named(chosen.architecture)  # a typo is told before the data is read

    if isinstance(data, Splits):
        splits, source = data, None
    else:
        images = load_images(data, data_dir=data_dir, progress=progress)
        source = _lasting(data)
        splits = split(images, validation=validation, test=test, seed=chosen.seed)
    chosen = plan(chosen, splits.train)
    if chosen.dropout is None:
        chosen = replace(chosen, dropout=(own or architecture_named(chosen.architecture or "")).dropout)
    decoded = [decode_all(part, preprocessing_of(chosen), progress=progress) for part in splits]
    broken = {key: reason for part in decoded for key, reason in part.broken.items()}
    _check_readable(splits, decoded, broken, max_broken)
    findings = check(_together(splits), broken)
    for finding in findings:
        progress.say(f"{finding.severity}: {finding.message}. {finding.fix[0].upper()}{finding.fix[1:]}.")
    read = time.perf_counter()

    from striate.backend import CHOICE, devices
    from striate.training.train import fit

    if own is not None:
        _try_out(own, chosen, splits.train.classes)
    run = store.create(name, f"{splits.train.name}-{chosen.architecture}")
    write_json(run.path / "recipe.json", chosen)
    save_splits(Splits(*(part.images for part in decoded)), run.path / "split.csv")
    if broken:
        _save_broken(broken, run.path / "broken.csv")
    record = HistoryFile(run.path / "history.csv")

    def manifest(**outcome: Any) -> Manifest:
        return Manifest(
            format=FORMAT,
            name=run.name,
            command=command,
            data={
                "source": source,
                "data_dir": None if data_dir is None else str(Path(data_dir).resolve()),
                "name": splits.train.name,
                "classes": list(splits.train.classes),
                "counts": {name: len(part.images) for name, part in zip(SPLITS, decoded, strict=True)},
                "fingerprint": _together(splits).fingerprint(),
            },
            architecture=chosen.architecture or "",
            seed=chosen.seed,
            backend=CHOICE.name,
            device=", ".join(devices()),
            versions={package: version for package in PACKAGES if (version := version_of(package))},
            machine=machine(),
            started=started,
            epochs=len(run.epochs),
            findings=tuple(findings),
            **outcome,
        )

    try:
        trained = fit(decoded[0], decoded[1], chosen, architecture=own, progress=progress, record=record.append)
    except TrainingError as error:
        seconds = {"total": time.perf_counter() - began}
        failed = manifest(state="failed", reason=str(error), parameters=0, seconds=seconds, kept=0)
        write_json(run.path / "run.json", failed)
        raise
    learnt = time.perf_counter()
    trained.classifier.save(run.path / "classifier")
    measured = _measure(run, trained, decoded, progress)
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
    )
    write_page(run, done, chosen, trained.history, measured)
    write_json(run.path / "run.json", done)
    return Run(run.path, trained.classifier)


def measure_again(
    run: Run, data: Data | None = None, *, data_dir: str | Path | None = None, progress: Progress = SILENT
) -> Measured:
    """Returns a run's classifier measured on its own test pictures, or on other data.

    Args:
        run: whose classifier.
        data: other pictures; of a set that brings a test split, only that is measured.
        data_dir: where named data sets lie, if not where the run found them.
        progress: shows what happens.

    Raises:
        DataError: the data is gone, or has classes that the classifier does not know.
    """
    if data is not None:
        images = load_images(data, data_dir=data_dir, progress=progress)
        part = "test" if "test" in images.given else "all"
        chosen = images.subset(images.given == "test") if part == "test" else images
        return measure(run.classifier, chosen, split=part, progress=progress)
    source = run.manifest.data["source"]
    if source is None:
        raise DataError(
            "This run was trained on pictures handed over in Python", hint=f"striate evaluate {run.name} DATA"
        )
    images = load_images(source, data_dir=data_dir or run.manifest.data["data_dir"], progress=progress)
    test = load_splits(images, run.path / "split.csv").test
    return measure(run.classifier, test, split="test", progress=progress)


def write_page(
    run: Run,
    manifest: Manifest,
    recipe: Recipe,
    history: History,
    measured: Measured,
    name: str = "report.html",
) -> Path:
    """Writes the report page of a run, and returns its path."""
    from striate.evaluation.page.render import Facts, save_page

    facts = Facts(
        name=run.name,
        network=manifest.architecture,
        parameters=manifest.parameters,
        seconds=manifest.seconds["training"],
        state=manifest.state,
        findings=manifest.findings,
        settings=flat_settings(recipe),
        versions=manifest.versions,
        machine={**manifest.machine, "backend": manifest.backend, "device": manifest.device},
        command=manifest.command,
        validation=run.validation,
    )
    save_page(run.path / name, facts, history, measured)
    return run.path / name


def machine() -> dict[str, Any]:
    """Returns what the computer is: system, processor, cores, memory in GiB, Python."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        memory = 0.0
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _measure(run: Run, trained: Trained, decoded: list[Decoded], progress: Progress) -> Measured:
    """Measures on validation and test, writes figures, lists and plots, and returns what the page shows."""
    from striate.evaluation import plots

    validation = measure(trained.classifier, decoded[1], split="validation", progress=progress)
    measured = measure(trained.classifier, decoded[2], split="test", progress=progress)
    write_json(run.path / "validation.json", validation.report)
    write_json(run.path / "report.json", measured.report)
    save_predictions(measured, run.path / "predictions.csv")
    folder = run.path / "plots"
    folder.mkdir()
    right, wrong = plots.right_and_wrong(measured)
    plots.save(plots.curves(trained.history), folder / "curves.png")
    plots.save(plots.confusion(measured.report), folder / "confusion.png")
    plots.save(plots.gallery(measured, right, "Answered rightly"), folder / "right.png")
    plots.save(plots.gallery(measured, wrong, "Answered wrongly, most confident first"), folder / "wrong.png")
    return measured


def _check_readable(splits: Splits, decoded: list[Decoded], broken: dict[str, str], limit: float) -> None:
    total = sum(map(len, splits))
    if len(broken) > limit * total:
        some = "; ".join(f"{key}: {reason}" for key, reason in list(broken.items())[:3])
        raise DataError(
            f"{len(broken):,} of {total:,} pictures cannot be read, more than the limit of {limit:.0%}",
            received=some + (" …" if len(broken) > 3 else ""),
            hint=f"repair them (striate data lists all), or --max-broken {min(1, len(broken) / total + 0.01):.2f}",
        )
    for name, part in zip(("train on", "choose by"), decoded[:2], strict=True):
        empty = [label for label, number in part.images.counts().items() if not number]
        if empty and name == "train on":
            raise DataError(
                f"The class {empty[0]!r} has no readable picture to {name}",
                hint="add pictures, or remove the class",
            )


def _try_out(own: Architecture, recipe: Recipe, classes: tuple[str, ...]) -> None:
    """Builds and saves the untrained network, so that what it lacks is told before it is trained and not after."""
    preprocessing = preprocessing_of(recipe)
    model = build(own, preprocessing.shape, len(classes), dropout=recipe.dropout)
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        Classifier(model, classes, preprocessing).save(Path(folder))


def _lasting(data: Data) -> str | None:
    """Returns how the data can be found again from any working folder; None when it was handed over in Python."""
    if not isinstance(data, str | Path):
        return None
    return data if isinstance(data, str) and data in DATASETS else str(Path(data).resolve())


def _together(splits: Splits) -> ImageSet:
    """Returns what the whole set's checks need: all keys and labels (the pictures themselves stay apart)."""
    sources: Any = [picture for part in splits for picture in part.sources]
    if isinstance(splits.train.sources, np.ndarray):
        sources = np.concatenate([np.asarray(part.sources) for part in splits])
    return dataclass_replace(
        splits.train,
        labels=np.concatenate([part.labels for part in splits]),
        keys=np.concatenate([part.keys for part in splits]),
        given=np.concatenate([part.given for part in splits]),
        sources=sources,
    )


def _save_broken(broken: dict[str, str], path: Path) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("key", "reason"))
        rows.writerows(broken.items())
