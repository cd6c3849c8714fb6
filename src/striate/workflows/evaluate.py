"""The second half of the flow: what a run's folder says of how good it is, and measuring it again later."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.corrections import CORRECTIONS_FILE, apply_corrections, load_corrections
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.loaders.folder import NestedMode
from striate.data.loaders.load import DataSource, load_images
from striate.data.splits import load_splits
from striate.diagnosis import diagnose, training_signals
from striate.diagnosis.diagnose import load_diagnosis_report
from striate.diagnosis.evidence import collect_evidence
from striate.diagnosis.training_signals import DecodedSplits, collect_training_signals
from striate.errors import DataError
from striate.evaluation import plots
from striate.evaluation.calibration import fit_temperature
from striate.evaluation.evaluate import Evaluation, build_evaluation, evaluate_classifier, predict_log_probabilities
from striate.evaluation.plots import draw_corruption_sheet, draw_risk_coverage_curve, draw_robustness
from striate.evaluation.prediction_table import LabeledPredictions, save_labeled_predictions
from striate.evaluation.report_page import Advice, RunFacts, save_report_html, save_report_markdown
from striate.evaluation.robustness import ROBUSTNESS_SAMPLE_SIZE, Robustness, compute_robustness
from striate.evaluation.selective import OperatingPoint, compute_operating_point, compute_risk_threshold
from striate.evaluation.test_access import load_access_records, log_test_access
from striate.progress import NO_PROGRESS, Progress
from striate.reporting.figures import save_figure
from striate.runs.run import Run, RunManifest, flatten_settings
from striate.system.atomic_files import write_csv, write_json
from striate.system.checksums import rewrite_files
from striate.training.history import History
from striate.training.recipe import Recipe
from striate.workflows.explain import INSIDE
from striate.workflows.prepare_data import lasting
from striate.workflows.run_data import own_set

if TYPE_CHECKING:
    from striate.training.fit import Trained
    from striate.training.loss_monitor import LossTrace


def calibrate(
    classifier: Classifier, validation: LabeledPredictions, target_risk: float | None, progress: Progress
) -> NDArray[np.float64]:
    """Sets the classifier's temperature, and its `reject_below` where a risk is targeted; returns the logarithms of the
    probabilities on the validation images with that temperature. No prediction changes but by being withheld.

    Args:
        classifier: without a temperature yet.
        validation: its predictions.
        target_risk: fraction of wrong predictions allowed; None answers everything.
        progress: told what was found.
    """
    rows = np.asarray(validation.log_probabilities, np.float64)
    temperature = fit_temperature(validation.labels, rows)
    if temperature != 1:
        classifier.temperature *= temperature
        from scipy.special import log_softmax

        before, rows = rows, log_softmax(rows / temperature, axis=1)
        progress.log(
            f"Its confidence was too {'high' if temperature > 1 else 'low'}: temperature {temperature:.2f} (loss on "
            f"the validation images {_loss(validation, before):.4f} → {_loss(validation, rows):.4f}; no prediction "
            "changes)."
        )
    if target_risk is not None:
        try:
            classifier.reject_below = compute_risk_threshold(replace(validation, log_probabilities=rows), target_risk)
            progress.log(f"It abstains below a confidence of {classifier.reject_below:.4f}.")
        except DataError as error:
            progress.log(f"It never abstains. {error}")
    return rows


def _loss(validation: LabeledPredictions, rows: NDArray[np.float64]) -> float:
    return float(-rows[np.arange(len(rows)), validation.labels].mean())


LEAKED = "leaked.csv"
"""A run's list of test images with a copy among the others."""


def save_results(
    run: Run,
    trained: Trained,
    parts: tuple[DecodedSet, DecodedSet, DecodedSet],
    progress: Progress,
    *,
    leaked: Collection[str] = (),
    target_risk: float | None = None,
) -> Evaluation:
    """Calibrates and writes the classifier, measures it on validation and test, writes figures and lists, and returns
    what its artifacts show.
    """
    if leaked:
        write_csv(run.path / LEAKED, ("key",), ([key] for key in sorted(leaked)))
    rows = predict_log_probabilities(trained.classifier, parts[1], split="validation", progress=progress)
    chosen_by = parts[1].images
    predicted = LabeledPredictions(chosen_by.classes, chosen_by.keys, chosen_by.labels, rows)
    validation = build_evaluation(
        parts[1], calibrate(trained.classifier, predicted, target_risk, progress), "validation"
    )
    trained.classifier.save(run.path / "classifier")
    measured = evaluate_classifier(trained.classifier, parts[2], split="test", leaked_keys=leaked, progress=progress)
    log_test_access(run.path, "train")
    write_json(run.path / "validation.json", validation.report)
    write_json(run.path / "report.json", measured.report)
    save_labeled_predictions(validation.predictions, run.path / "validation.csv")
    save_labeled_predictions(measured.predictions, run.path / "predictions.csv")
    return measured


def save_plots(run: Run, history: History, measured: Evaluation) -> None:
    """Writes the plots of a run."""
    folder = run.path / "plots"
    folder.mkdir(exist_ok=True)
    right, wrong = plots.select_examples(measured)
    refused = _refused(run.classifier_manifest.reject_below, measured)
    save_figure(plots.draw_training_curves(history), folder / "curves.png")
    save_figure(plots.draw_confusion_matrix(measured.report), folder / "confusion.png")
    save_figure(draw_risk_coverage_curve(measured.predictions, refused), folder / "coverage.png")
    save_figure(plots.draw_prediction_gallery(measured, right, "Answered rightly"), folder / "right.png")
    save_figure(
        plots.draw_prediction_gallery(measured, wrong, "Answered wrongly, most confident first"), folder / "wrong.png"
    )


def save_report_page(run: Run, manifest: RunManifest, recipe: Recipe, history: History, measured: Evaluation) -> None:
    """Writes the report of a run, as a page and as Markdown."""
    facts = _facts(run, manifest, recipe, measured)
    save_report_html(run.path / "report.html", _with_inside(facts, run, run.path), history, measured)
    save_report_markdown(run.path / "report.md", facts, history, measured)


def save_report_again(run: Run, measured: Evaluation, html: Path | None, markdown: Path | None) -> None:
    """Writes the report of a run measured again, on its own test images or on others, to where it is asked for."""
    is_own = measured.report.split == "test" and measured.report.data == run.report.data
    facts = _facts(run, run.manifest, run.recipe, measured, is_own=is_own)
    history = run.history if is_own else None
    for path, save in ((html, save_report_html), (markdown, save_report_markdown)):
        if path is not None:
            with rewrite_files(run.path, *([path.name] if path.parent.resolve() == run.path.resolve() else [])):
                save(path, _with_inside(facts, run, path.parent) if is_own else facts, history, measured)


def _with_inside(facts: RunFacts, run: Run, folder: Path) -> RunFacts:
    """Returns the facts with the run's explainer, for a report that lies beside it."""
    is_beside = folder.resolve() == run.path.resolve() and (run.path / INSIDE).is_file()
    return replace(facts, explainer_page=INSIDE) if is_beside else facts


def _facts(run: Run, manifest: RunManifest, recipe: Recipe, measured: Evaluation, *, is_own: bool = True) -> RunFacts:
    classifier = run.classifier_manifest
    return RunFacts(
        name=run.name,
        architecture=manifest.architecture,
        parameters=manifest.parameters,
        training_seconds=manifest.phase_seconds["training"],
        state=manifest.state,
        findings=manifest.findings if is_own else (),
        settings=flatten_settings(recipe),
        versions=manifest.versions,
        hardware={**manifest.hardware, "backend": manifest.backend, "device": manifest.device},
        command=manifest.command,
        validation_report=run.validation_report,
        access_records=load_access_records(run.path) if is_own else (),
        temperature=classifier.temperature,
        operating_point=_refused(classifier.reject_below, measured),
        advice=_advice(run) if is_own else (),
    )


def _advice(run: Run) -> tuple[Advice, ...]:
    said = load_diagnosis_report(run.path)
    return tuple(Advice(one.severity, one.verdict, one.evidence, one.fix) for one in said.diagnoses) if said else ()


def _refused(limit: float, measured: Evaluation) -> OperatingPoint | None:
    return compute_operating_point(measured.predictions, limit) if limit else None


def measure_again(
    run: Run,
    data: DataSource | None = None,
    *,
    data_dir: str | Path | None = None,
    nested: NestedMode | None = None,
    corrections: str | Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> Evaluation:
    """Returns a run's classifier measured on its own test images, or on other data.

    Args:
        run: whose classifier.
        data: other images; of a set that brings a test split, only that is measured. Of the very data the run was
            trained on, only the run's test images are: the others have shaped the classifier.
        data_dir: where named data sets lie, if not where the run found them.
        nested: what folders within class folders are, if not what they were for the run.
        corrections: a list of images of `data` to leave out or to relabel; of the run's own data, its own list holds.
        progress: shows what happens.

    Raises:
        DataError: the data is gone, or has classes that the classifier does not know.
    """
    trained_on = run.manifest.data
    if data is None and trained_on["source"] is None:
        raise DataError(
            "This run was trained on images handed over in Python", hint=f"striate evaluate {run.name} DATA"
        )
    source = trained_on["source"] if data is None else data
    place = data_dir or (trained_on["data_dir"] if data is None else None)
    kind = nested or trained_on.get("nested", "top")
    images = load_images(source, data_dir=place, nested=kind, progress=progress)
    own = run.get_verified_file(CORRECTIONS_FILE)
    if corrections is not None:
        images = apply_corrections(images, load_corrections(Path(corrections)))
    elif own.is_file() and (data is None or lasting(data) == trained_on["source"]):
        images = apply_corrections(images, load_corrections(own))
    if (
        data is None
        or lasting(data) == trained_on["source"]
        or images.compute_fingerprint() == trained_on["fingerprint"]
    ):
        if data is not None:
            progress.log("The run was trained on this data; only the images it set aside for testing are measured.")
        test = load_splits(images, run.get_verified_file("split.csv")).test
        measured = evaluate_classifier(run.classifier, test, split="test", leaked_keys=_leaked(run), progress=progress)
        try:
            log_test_access(run.path, "evaluate")
        except OSError as error:
            progress.log(f"This look at the test images cannot be noted in {run.path}: {error.strerror}.")
        return measured
    if "test" in images.splits:
        return evaluate_classifier(
            run.classifier, images.subset(images.splits == "test"), split="test", progress=progress
        )
    return evaluate_classifier(run.classifier, images, split="all", progress=progress)


def _leaked(run: Run) -> frozenset[str]:
    if not (run.path / LEAKED).is_file():
        return frozenset()
    with run.get_verified_file(LEAKED).open(newline="", encoding="utf-8") as file:
        return frozenset(row["key"] for row in csv.DictReader(file))


NAME, PLOT, SHEET = "robustness.json", "robustness.png", "corruptions.png"


def hold(
    run: Run, measured: Evaluation, *, pictures: int = ROBUSTNESS_SAMPLE_SIZE, progress: Progress = NO_PROGRESS
) -> Robustness:
    """Returns how the run's classifier holds under nine corruptions at five severities each; writes robustness.json,
    plots/robustness.png and plots/corruptions.png (what each severity looks like) into the run.

    Args:
        run: whose classifier.
        measured: its test images, or others, measured as they are.
        pictures: of how many, drawn at random.
        progress: shows what happens.
    """
    found = compute_robustness(run.classifier, measured.decoded_set, sample_size=pictures, progress=progress)
    folder = run.path / "plots"
    folder.mkdir(exist_ok=True)
    right = np.flatnonzero(measured.predictions.is_correct)
    with rewrite_files(run.path, NAME, f"plots/{PLOT}", f"plots/{SHEET}"):
        save_figure(draw_robustness(found), folder / PLOT)
        save_figure(draw_corruption_sheet(measured.decoded_set.pixels[right[0] if len(right) else 0]), folder / SHEET)
        write_json(run.path / NAME, found)
    return found


def some_measured(run: Run, most: int = 2000, *, seed: int = 0, progress: Progress = NO_PROGRESS) -> Evaluation:
    """Returns the run's report with some of the test images that it stands on, and the predictions to them.

    Args:
        run: finished.
        most: so many images, drawn at random from all classes alike.
        seed: of the style.
        progress: shows what happens.

    Raises:
        DataError: the images are gone, or were handed over in Python, or the predictions are missing.
    """
    predicted = run.load_predictions("test")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(predicted.keys))[:most])
    images = own_set(run, progress=progress)
    place = {key: at for at, key in enumerate(images.keys.tolist())}
    there = [(at, place[key]) for at in chosen.tolist() if (key := str(predicted.keys[at])) in place]
    rows = predicted.log_probabilities[[at for at, _ in there]]
    decoded = decode_all(
        images.subset(np.array([at for _, at in there], int)), run.classifier.preprocessing, progress=progress
    )
    if decoded.decode_errors:
        kept = set(decoded.images.keys.tolist())
        rows = rows[[at for at, (_, index) in enumerate(there) if str(images.keys[index]) in kept]]
    return Evaluation(run.report, decoded, np.asarray(rows, np.float64))


def diagnosed(
    run: Run,
    manifest: RunManifest,
    parts: DecodedSplits,
    classifier: Classifier | None,
    trace: LossTrace,
    progress: Progress,
) -> None:
    """Writes symptoms.json and diagnosis.json. Whatever goes wrong here is told and costs no training.

    Args:
        run: whose folder, all else of it written but the manifest.
        manifest: what its run.json will hold.
        parts: training, validation and test images.
        classifier: what came out; None when nothing did.
        trace: how the loss began, and where it broke.
        progress: told of what cannot be looked at.
    """
    try:
        write_json(run.path / training_signals.SIGNALS_FILE, collect_training_signals(parts, classifier, trace))
        write_json(run.path / diagnose.DIAGNOSIS_FILE, diagnose.diagnose(collect_evidence(run, manifest)))
    except Exception as error:  # a model of the user's own may refuse to be looked into
        progress.log(f"The training could not be diagnosed ({type(error).__name__}: {error}).")
