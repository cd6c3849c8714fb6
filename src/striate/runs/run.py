"""Run: one training's folder.

run.json            what was done, on what, with what; the manifest, written last: a run without it is unfinished
request.json        the request, written before the training begins
recipe.json         every number that shaped the training; itself valid input to --recipe
split.csv           key, class, split
broken.csv          key, reason, for images that could not be read (when there were any)
history.csv         one row per epoch, written as it happens
report.json         figures on the test images; report.html and report.md to read, validation.json for the validation
                    images
symptoms.json       what the training noted about itself; diagnosis.json what the doctor made of it
test_access.csv     time, operation: every evaluation on the test set
predictions.csv     key, class, predicted, confidence on the test images; validation.csv on those to choose by; beside
                    each, as .npy, the logarithms of all classes' probabilities
replay.safetensors  what the model made of some images after each epoch (with --replay)
tensorboard/        what TensorBoard shows of it (with the extra tensorboard)
inside.html         images on their way through its model
plots/*.png         curves, confusion, right and wrong predictions, coverage against risk; with inside.html,
report.html and
                    report.md these are the run's artifacts, which `striate report` makes of a run without them
classifier/         the result; can be moved anywhere on its own
checkpoints/        the training's state, until the run is finished
run.lock            held by the process that is at work in it
SHA256SUMS          the checksum of every file, written last of all
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from striate.classifier import Classifier
from striate.config import from_json, frozen_config, read_former_keys, to_plain
from striate.data_checks.finding import Finding
from striate.errors import ConfigError, RunError
from striate.evaluation.comparison.run_summary import RunSummary
from striate.evaluation.prediction_table import LabeledPredictions, load_labeled_predictions, load_prediction_records
from striate.evaluation.report import Report
from striate.evaluation.selective import compute_risk_threshold
from striate.models.classifier_manifest import ClassifierManifest, load_classifier_manifest, verify_manifest_checksum
from striate.runs.artifacts import list_artifacts
from striate.system.atomic_files import refuse_newer_format
from striate.system.checksums import has_checksums, verify_file
from striate.training.history import EpochMetrics, History, read_history
from striate.training.recipe import Recipe

MIN_CHECKSUM_FORMAT = 2  # the format from which on a run has a seal, written last
RUN_FORMAT = 3
"""Raise it when an older Striate could misread a newer folder, and add a test of the older form. Runs of format 1 have
no seal: nothing of them is known to be as it was."""
T = TypeVar("T")


@read_former_keys(machine="hardware", started="started_at", seconds="phase_seconds", kept="best_epoch")
@frozen_config
class RunManifest:
    """What run.json holds.

    Attributes:
        format: of the run folder.
        name: the folder's name when it was made.
        state: `finished`; `interrupted`: ended by a signal, and whole; `failed`: no usable model came out.
        reason: why it failed.
        command: the command line that repeats it; "" for a run made from Python.
        data: where the images came from: source, data_dir, name, fingerprint, counts per split.
        architecture: the model's name.
        parameters: weights in the model.
        seed: of everything random.
        backend: Keras' backend.
        device: what it ran on.
        versions: package → version.
        hardware: processor, cores, memory, system.
        started_at: date and time, UTC, ISO 8601.
        phase_seconds: what took how long.
        epochs: epochs trained.
        best_epoch: number of the epoch whose weights were kept.
        findings: what was remarkable about the data.
        multiply_adds: of the model for one image; None in runs that did not count them.
    """

    format: int
    name: str
    state: Literal["finished", "interrupted", "failed"]
    reason: str | None
    command: str
    data: dict[str, Any]
    architecture: str
    parameters: int
    seed: int
    backend: str
    device: str
    versions: dict[str, str]
    hardware: dict[str, Any]
    started_at: str
    phase_seconds: dict[str, float]
    epochs: int
    best_epoch: int
    findings: tuple[Finding, ...]
    multiply_adds: int | None = None


class Run:
    """A run's folder; what it holds is read when asked for.

    Args:
        path: the folder.
        classifier: its classifier, when it is in memory already.
        missing_artifacts: see below.

    Attributes:
        missing_artifacts: names of the artifacts that were asked for and that could not be made, in the run that a
            training returns; `write_report` makes them.
    """

    def __init__(
        self, path: Path | str, classifier: Classifier | None = None, missing_artifacts: tuple[str, ...] = ()
    ) -> None:
        self.path = Path(path)
        self._classifier = classifier
        self.missing_artifacts = missing_artifacts

    def __repr__(self) -> str:
        try:
            state = self.state
        except RunError:
            state = "damaged"
        return f"Run({str(self.path)!r}, {state})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def state(self) -> str:
        """finished; interrupted, if it was finished before its time; failed; unfinished, while it runs or when it was
        stopped or killed.
        """
        if not (self.path / "run.json").is_file():
            return "unfinished"
        manifest = self.manifest
        return manifest.state if manifest.format < MIN_CHECKSUM_FORMAT or has_checksums(self.path) else "unfinished"

    @property
    def manifest(self) -> RunManifest:
        """What was done.

        Raises:
            RunError: unfinished, damaged, or from a newer Striate.
        """
        refuse_newer_format(self.path / "run.json", RUN_FORMAT, "run")
        return self._load_json(RunManifest, "run.json")

    @property
    def recipe(self) -> Recipe:
        """Every number that shaped the training."""
        return self._load_json(Recipe, "recipe.json")

    @property
    def report(self) -> Report:
        """The figures on the test images."""
        return self._load_json(Report, "report.json")

    @property
    def validation_report(self) -> Report:
        """The figures on the validation images."""
        return self._load_json(Report, "validation.json")

    @property
    def history(self) -> History:
        """Every epoch, and which was kept (0 while unfinished)."""
        kept = self.manifest.best_epoch if (self.path / "run.json").is_file() else 0
        return History(read_history(self.get_verified_file("history.csv")), kept)

    @property
    def epochs(self) -> tuple[EpochMetrics, ...]:
        """Every epoch."""
        return self.history.epochs

    @property
    def classifier(self) -> Classifier:
        """The trained classifier, loaded once."""
        if self._classifier is None:
            self._classifier = Classifier.load(self.path / "classifier")
        return self._classifier

    @property
    def classifier_manifest(self) -> ClassifierManifest:
        """What its classifier's folder says of itself, read without loading the model.

        Raises:
            ClassifierError: missing or damaged.
        """
        folder = self.path / "classifier"
        manifest = load_classifier_manifest(folder / "classifier.json")
        verify_manifest_checksum(manifest, folder)
        return manifest

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Names of the artifacts that it holds, see ARTIFACTS."""
        return list_artifacts(self.path)

    def load_predictions(self, split: Literal["validation", "test"]) -> LabeledPredictions:
        """Returns what the classifier answered to the validation or the test images.

        Raises:
            DataError: the lists are missing, as in runs of older versions, or damaged.
        """
        name = {"validation": "validation.csv", "test": "predictions.csv"}[split]
        self.get_verified_file(Path(name).with_suffix(".npy").name)
        return load_labeled_predictions(
            self.get_verified_file(name), tuple(row.name for row in self.validation_report.classes)
        )

    def compute_threshold(self, target_risk: float) -> float:
        """Returns the confidence from which on at most that fraction of the predictions is wrong: found on the
        validation images, promised with 95 % certainty for images like them.

        Raises:
            DataError: no threshold can promise it; the message says what could.
        """
        return compute_risk_threshold(self.load_predictions("validation"), target_risk)

    def build_summary(self) -> RunSummary:
        """Returns what comparing needs to know of this run.

        Raises:
            RunError: it failed, or is not finished.
        """
        if (state := self.state) in ("failed", "unfinished"):
            raise RunError(
                f"The run {self.name} {'failed' if state == 'failed' else 'is unfinished'}, so it was never measured",
                received=self.manifest.reason if state == "failed" else self.path,
                expected="a finished run (striate runs lists them)",
            )
        manifest, recipe = self.manifest, self.recipe
        settings = {"data": manifest.data.get("name"), **flatten_settings(recipe), "backend": manifest.backend}
        return RunSummary(
            name=self.name,
            settings=settings,
            report=self.report,
            predictions=load_prediction_records(self.get_verified_file("predictions.csv")),
            epochs=self.epochs,
            best_epoch=manifest.best_epoch,
            parameters=manifest.parameters,
            training_seconds=manifest.phase_seconds.get("training", 0.0),
            fingerprint=str(manifest.data.get("fingerprint") or ""),
            multiply_adds=manifest.multiply_adds,
        )

    def get_verified_file(self, name: str) -> Path:
        """Returns the path of one of its files, to be read.

        Raises:
            RunError: it is not what it was when the run was finished.
        """
        return verify_file(self.path, name)

    def _load_json(self, cls: type[T], name: str) -> T:
        path = self.path / name
        try:
            return from_json(cls, self.get_verified_file(name).read_bytes(), str(path))
        except FileNotFoundError:
            raise RunError(
                f"{name} is missing, so this run is unfinished" if self.path.is_dir() else "There is no such run",
                received=self.path,
            ) from None
        except OSError as error:
            raise RunError(f"{name} cannot be read: {error.strerror}", received=path) from None
        except ConfigError as error:
            raise RunError(f"{name} is damaged or from another version of Striate. {error}") from None


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """Returns the recipe's name and fields, the augmentation's own ones beside the others."""
    fields: dict[str, Any] = to_plain(recipe)
    fields = {"recipe": fields.pop("name"), **fields}
    if isinstance(fields["augment"], dict):
        augment = fields.pop("augment")
        fields.update({f"augment.{name}": value for name, value in augment.items()})
    return fields
