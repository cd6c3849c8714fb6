"""The second half of the flow: what a run's folder says of how good it is, and measuring it again later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import DataError
from striate.evaluation import plots
from striate.evaluation.measure import Measured, measure, save_predictions
from striate.evaluation.page.render import Facts, save_page
from striate.files import write_json
from striate.history import History
from striate.images.cache import Decoded
from striate.images.sources.load import Data, load_images
from striate.images.split import load_splits
from striate.progress import SILENT, Progress
from striate.runs import Manifest, Run, flat_settings
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.training.train import Trained


def save_results(run: Run, trained: Trained, parts: tuple[Decoded, Decoded, Decoded], progress: Progress) -> Measured:
    """Measures on validation and test, writes figures, lists and plots, and returns what the page shows."""
    validation = measure(trained.classifier, parts[1], split="validation", progress=progress)
    measured = measure(trained.classifier, parts[2], split="test", progress=progress)
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


def save_report_page(run: Run, manifest: Manifest, recipe: Recipe, history: History, measured: Measured) -> None:
    """Writes the report page of a run."""
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
    save_page(run.path / "report.html", facts, history, measured)


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
