"""The second half of the flow: what a run's folder says of how good it is, and measuring it again later."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from striate import drawing
from striate.diagnosis.diagnose import load_diagnoses
from striate.errors import DataError
from striate.evaluation import plots
from striate.evaluation.answered import Answered, save_answered
from striate.evaluation.measure import Measured, measure, predict_rows, report_on
from striate.evaluation.openings import note_opening, openings
from striate.evaluation.page.render import Advice, Facts, save_markdown, save_page
from striate.evaluation.refusal import Refusal, refusal
from striate.evaluation.trust_plot import coverage_curve
from striate.experiment.calibrate import calibrate
from striate.experiment.inside import INSIDE
from striate.experiment.pictures import lasting
from striate.files import write_csv, write_json
from striate.history import History
from striate.images.cache import Decoded
from striate.images.corrections import KEPT_AS, corrected, load_corrections
from striate.images.sources.folder import Nested
from striate.images.sources.load import Data, load_images
from striate.images.split import load_splits
from striate.progress import SILENT, Progress
from striate.runs import Manifest, Run, flat_settings
from striate.seal import changing
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.training.train import Trained


LEAKED = "leaked.csv"
"""A run's list of test pictures with a copy among the others."""


def save_results(
    run: Run,
    trained: Trained,
    parts: tuple[Decoded, Decoded, Decoded],
    progress: Progress,
    *,
    leaked: Collection[str] = (),
    target_risk: float | None = None,
) -> Measured:
    """Calibrates and writes the classifier, measures it on validation and test, writes figures and lists, and returns
    what its artifacts show.
    """
    if leaked:
        write_csv(run.path / LEAKED, ("key",), ([key] for key in sorted(leaked)))
    rows = predict_rows(trained.classifier, parts[1], split="validation", progress=progress)
    chosen_by = parts[1].images
    answered = Answered(chosen_by.classes, chosen_by.keys, chosen_by.labels, rows)
    validation = report_on(parts[1], calibrate(trained.classifier, answered, target_risk, progress), "validation")
    trained.classifier.save(run.path / "classifier")
    measured = measure(trained.classifier, parts[2], split="test", leaked=leaked, progress=progress)
    note_opening(run.path, "train")
    write_json(run.path / "validation.json", validation.report)
    write_json(run.path / "report.json", measured.report)
    save_answered(validation.answered, run.path / "validation.csv")
    save_answered(measured.answered, run.path / "predictions.csv")
    return measured


def save_plots(run: Run, history: History, measured: Measured) -> None:
    """Writes the plots of a run."""
    folder = run.path / "plots"
    folder.mkdir(exist_ok=True)
    right, wrong = plots.right_and_wrong(measured)
    refused = _refused(run.classifier_manifest.reject_below, measured)
    drawing.save(plots.curves(history), folder / "curves.png")
    drawing.save(plots.confusion(measured.report), folder / "confusion.png")
    drawing.save(coverage_curve(measured.answered, refused), folder / "coverage.png")
    drawing.save(plots.gallery(measured, right, "Answered rightly"), folder / "right.png")
    drawing.save(plots.gallery(measured, wrong, "Answered wrongly, most confident first"), folder / "wrong.png")


def save_report_page(run: Run, manifest: Manifest, recipe: Recipe, history: History, measured: Measured) -> None:
    """Writes the report of a run, as a page and as Markdown."""
    facts = _facts(run, manifest, recipe, measured)
    save_page(run.path / "report.html", _with_inside(facts, run, run.path), history, measured)
    save_markdown(run.path / "report.md", facts, history, measured)


def save_report_again(run: Run, measured: Measured, html: Path | None, markdown: Path | None) -> None:
    """Writes the report of a run measured again, on its own test pictures or on others, to where it is asked for."""
    is_own = measured.report.split == "test" and measured.report.data == run.report.data
    facts = _facts(run, run.manifest, run.recipe, measured, is_own=is_own)
    history = run.history if is_own else None
    for path, save in ((html, save_page), (markdown, save_markdown)):
        if path is not None:
            with changing(run.path, *([path.name] if path.parent.resolve() == run.path.resolve() else [])):
                save(path, _with_inside(facts, run, path.parent) if is_own else facts, history, measured)


def _with_inside(facts: Facts, run: Run, folder: Path) -> Facts:
    """Returns the facts with the run's explainer, for a report that lies beside it."""
    is_beside = folder.resolve() == run.path.resolve() and (run.path / INSIDE).is_file()
    return replace(facts, inside=INSIDE) if is_beside else facts


def _facts(run: Run, manifest: Manifest, recipe: Recipe, measured: Measured, *, is_own: bool = True) -> Facts:
    classifier = run.classifier_manifest
    return Facts(
        name=run.name,
        network=manifest.architecture,
        parameters=manifest.parameters,
        seconds=manifest.seconds["training"],
        state=manifest.state,
        findings=manifest.findings if is_own else (),
        settings=flat_settings(recipe),
        versions=manifest.versions,
        machine={**manifest.machine, "backend": manifest.backend, "device": manifest.device},
        command=manifest.command,
        validation=run.validation,
        opened=openings(run.path) if is_own else (),
        temperature=classifier.temperature,
        refused=_refused(classifier.reject_below, measured),
        advice=_advice(run) if is_own else (),
    )


def _advice(run: Run) -> tuple[Advice, ...]:
    said = load_diagnoses(run.path)
    return tuple(Advice(one.severity, one.verdict, one.evidence, one.try_) for one in said.found) if said else ()


def _refused(limit: float, measured: Measured) -> Refusal | None:
    return refusal(measured.answered, limit) if limit else None


def measure_again(
    run: Run,
    data: Data | None = None,
    *,
    data_dir: str | Path | None = None,
    nested: Nested | None = None,
    corrections: str | Path | None = None,
    progress: Progress = SILENT,
) -> Measured:
    """Returns a run's classifier measured on its own test pictures, or on other data.

    Args:
        run: whose classifier.
        data: other pictures; of a set that brings a test split, only that is measured. Of the very data the run was
            trained on, only the run's test pictures are: the others have shaped the classifier.
        data_dir: where named data sets lie, if not where the run found them.
        nested: what folders within class folders are, if not what they were for the run.
        corrections: a list of pictures of `data` to leave out or to relabel; of the run's own data, its own list holds.
        progress: shows what happens.

    Raises:
        DataError: the data is gone, or has classes that the classifier does not know.
    """
    trained_on = run.manifest.data
    if data is None and trained_on["source"] is None:
        raise DataError(
            "This run was trained on pictures handed over in Python", hint=f"striate evaluate {run.name} DATA"
        )
    source = trained_on["source"] if data is None else data
    place = data_dir or (trained_on["data_dir"] if data is None else None)
    kind = nested or trained_on.get("nested", "top")
    images = load_images(source, data_dir=place, nested=kind, progress=progress)
    own = run.file(KEPT_AS)
    if corrections is not None:
        images = corrected(images, load_corrections(Path(corrections)))
    elif own.is_file() and (data is None or lasting(data) == trained_on["source"]):
        images = corrected(images, load_corrections(own))
    if data is None or lasting(data) == trained_on["source"] or images.fingerprint() == trained_on["fingerprint"]:
        if data is not None:
            progress.say("The run was trained on this data; only the pictures it set aside for testing are measured.")
        test = load_splits(images, run.file("split.csv")).test
        measured = measure(run.classifier, test, split="test", leaked=_leaked(run), progress=progress)
        try:
            note_opening(run.path, "evaluate")
        except OSError as error:
            progress.say(f"This look at the test pictures cannot be noted in {run.path}: {error.strerror}.")
        return measured
    if "test" in images.given:
        return measure(run.classifier, images.subset(images.given == "test"), split="test", progress=progress)
    return measure(run.classifier, images, split="all", progress=progress)


def _leaked(run: Run) -> frozenset[str]:
    if not (run.path / LEAKED).is_file():
        return frozenset()
    with run.file(LEAKED).open(newline="", encoding="utf-8") as file:
        return frozenset(row["key"] for row in csv.DictReader(file))
