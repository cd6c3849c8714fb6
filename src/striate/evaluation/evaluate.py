"""A classifier on labeled images → a report, with what the plots and lists beside it need."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.image_set import ImageSet
from striate.errors import ClassifierError, DataError, find_nearest_name
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.report import Report, make_report
from striate.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A report and the images it stands on.

    Attributes:
        report: the figures.
        decoded_set: the images measured.
        log_probabilities: (n, classes) logarithms of the predicted probabilities.
    """

    report: Report
    decoded_set: DecodedSet
    log_probabilities: NDArray[np.float64]

    @property
    def predictions(self) -> LabeledPredictions:
        """The predictions without the images."""
        images = self.decoded_set.images
        return LabeledPredictions(images.classes, images.keys, images.labels, self.log_probabilities)

    @cached_property
    def predicted_labels(self) -> NDArray[np.intp]:
        """(n,) predicted labels."""
        return self.predictions.predicted_labels

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """(n,) their probabilities."""
        return self.predictions.confidence


def evaluate(
    classifier: Classifier, images: ImageSet, *, split: str = "all", progress: Progress = NO_PROGRESS
) -> Report:
    """Returns how good the classifier is on labeled images.

    Args:
        classifier: what to measure.
        images: images whose classes are (some of) the classifier's, by name.
        split: a word for the report.
        progress: told the images done.

    Raises:
        DataError: a class the classifier does not know, or no image that can be decoded.
    """
    return evaluate_classifier(classifier, images, split=split, progress=progress).report


def evaluate_classifier(
    classifier: Classifier,
    images: ImageSet | DecodedSet,
    *,
    split: str = "all",
    leaked_keys: Collection[str] = (),
    progress: Progress = NO_PROGRESS,
) -> Evaluation:
    """Returns the same with the images and predictions beside the report; takes decoded images as well. Those of
    the keys `leaked_keys` have a copy among images learned or chosen from: the report says how good it is without
    them.

    Raises:
        DataError: as above.
        ClassifierError: the model's predictions are not finite.
    """
    if isinstance(images, ImageSet):
        images = decode_all(align_classes(images, classifier.classes), classifier.preprocessing, progress=progress)
    return build_evaluation(
        images, predict_log_probabilities(classifier, images, split=split, progress=progress), split, leaked_keys
    )


def predict_log_probabilities(
    classifier: Classifier, images: DecodedSet, *, split: str, progress: Progress
) -> NDArray[np.float64]:
    """Returns (n, classes) logarithms of the predicted probabilities.

    Raises:
        ClassifierError: they are not finite.
    """
    with progress.track(f"measuring on {split}", len(images.images), "images") as task:
        rows = classifier.predict_log_probabilities(images.pixels, advance=task.advance)
    if not np.isfinite(rows).all():
        raise ClassifierError(
            "The model's predictions are not finite numbers",
            received=f"{int(np.sum(~np.isfinite(rows).all(axis=1))):,} of {len(rows):,} {split} images",
            hint="--precision float32, or a lower --lr",
        )
    return rows


def build_evaluation(
    decoded_set: DecodedSet, log_probabilities: NDArray[np.float64], split: str, leaked_keys: Collection[str] = ()
) -> Evaluation:
    """Returns the report on decoded images, given the logarithms of their predicted probabilities."""
    images = decoded_set.images
    report = make_report(
        images.name, split, images.classes, images.keys, images.labels, log_probabilities, leaked_keys=leaked_keys
    )
    return Evaluation(report, decoded_set, log_probabilities)


def align_classes(images: ImageSet, classes: tuple[str, ...]) -> ImageSet:
    """Returns the images with labels that count in `classes`.

    Raises:
        DataError: a class of the images is not among `classes`.
    """
    if images.classes == classes:
        return images
    unknown = [name for name in images.classes if name not in classes]
    if unknown:
        raise DataError(
            "The data has classes that the classifier does not know",
            received=", ".join(unknown[:5]),
            expected="classes among " + ", ".join(classes[:10]) + (" …" if len(classes) > 10 else ""),
            hint=f"the folder {unknown[0]!r} renamed to {near!r}"
            if (near := find_nearest_name(unknown[0], classes))
            else None,
        )
    table = np.array([classes.index(name) for name in images.classes], np.int32)
    return replace(images, classes=classes, labels=table[images.labels])


def measure_ms_per_image(classifier: Classifier, pixels: NDArray[np.uint8]) -> float:
    """Returns how long a prediction takes, ms per image: the median of three to nine rounds after one to warm up.

    Args:
        classifier: what predicts.
        pixels: (n, h, w, c) uint8, decoded already; a round goes over all of them in the classifier's batches.
    """
    classifier.predict_log_probabilities(pixels)
    rounds: list[float] = []
    while len(rounds) < 3 or (len(rounds) < 9 and sum(rounds) < 2):
        began = time.perf_counter()
        classifier.predict_log_probabilities(pixels)
        rounds.append(time.perf_counter() - began)
    return 1000 * statistics.median(rounds) / len(pixels)
