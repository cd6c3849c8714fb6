"""Which classifier a word of the command line means, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.classifier import Classifier
    from striate.runs.run import Run

GENERIC_NAMES = ("classifier", "exported", "")  # names that say nothing of a classifier


@dataclass(frozen=True)
class ClassifierLocation:
    """A classifier's place.

    Attributes:
        path: its folder, or its exported file.
        run: whose it is; None where it lies alone.
    """

    path: Path
    run: Run | None

    @property
    def name(self) -> str:
        """The run's, the file's or the folder's, whichever says something."""
        if self.run is not None:
            return self.run.name
        path = self.path.resolve()
        names = (path.stem if path.is_file() else path.name, *(parent.name for parent in path.parents))
        return next((name for name in names if name not in GENERIC_NAMES), "classifier")

    def load(self) -> Classifier:
        """Returns the classifier."""
        from striate.classifier import Classifier

        if self.run is None:
            return Classifier.load(self.path)
        classifier: Classifier = self.run.classifier
        return classifier


def locate_classifier(reference: str, runs: Path) -> ClassifierLocation:
    """Returns the place meant by a run's name or folder, a classifier's own folder, or an exported ONNX file."""
    path = Path(reference)
    if (path / "classifier.json").is_file() or path.suffix.lower() == ".onnx":
        return ClassifierLocation(path, None)
    from striate.runs.store import RunStore  # loads all that measures: an exported file does without

    run = RunStore(runs).find(reference)
    return ClassifierLocation(run.path / "classifier", run)


def load_classifier(reference: str, runs: Path) -> Classifier:
    """Returns what lies there."""
    return locate_classifier(reference, runs).load()
