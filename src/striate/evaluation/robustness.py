"""Will it hold: accuracy on test images that were made worse, step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.config import frozen_config, read_former_keys
from striate.data.decoded_cache import DecodedSet
from striate.evaluation.corruptions import CORRUPTIONS, MAX_SEVERITY, Corruption
from striate.evaluation.intervals import wilson
from striate.progress import NO_PROGRESS, Progress
from striate.reporting.style import format_percent

ROBUSTNESS_SAMPLE_SIZE = 1000  # images
MIN_RELATIVE_ACCURACY = 0.9  # fraction of the accuracy that is kept, from which on nothing is advised

ADVICE_BY_CORRUPTION = {
    "another angle": "rotate=30 in --augment",
    "smaller": "zoom=0.5 in --augment",
    "darkness": "brightness=0.6 in --augment",
    "brightness": "brightness=0.4 in --augment",
    "other colors": "--grayscale, if colors tell nothing about the class",
}
"""Corruption → what of a training makes a model used to it."""


@read_former_keys(accuracy="accuracies", held="relative_accuracy")
@frozen_config
class CorruptionCurve:
    """Accuracy under one corruption.

    Attributes:
        name: of the corruption.
        accuracies: at severities 1 to 5.
        intervals: their 95 % intervals (Wilson).
        relative_accuracy: mean of the accuracies, as a fraction of the accuracy on the images as they are.
    """

    name: str
    accuracies: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    relative_accuracy: float


@frozen_config
class Robustness:
    """What was measured.

    Attributes:
        n: images.
        accuracy: on them as they are.
        interval: its 95 % interval.
        curves: one for each corruption, the hardest first.
        data: the image set's name.
    """

    n: int
    accuracy: float
    interval: tuple[float, float]
    curves: tuple[CorruptionCurve, ...]
    data: str = ""

    def describe_weakest_point(self) -> str:
        """Returns the weakest point in a sentence, with what may help."""
        weakest = self.curves[0]
        if weakest.relative_accuracy >= MIN_RELATIVE_ACCURACY:
            kept = format_percent(weakest.relative_accuracy, 0)
            return f"Under every corruption {kept} or more of the accuracy is kept."
        mean = sum(weakest.accuracies) / len(weakest.accuracies)
        said = (
            f"Weakest under {weakest.name}: {format_percent(mean)} on average over the severities, instead of "
            f"{format_percent(self.accuracy)}."
        )
        helps = ADVICE_BY_CORRUPTION.get(weakest.name)
        return f"{said} Try: {helps or 'training images of that kind'}."


def compute_robustness(
    classifier: Classifier,
    decoded_set: DecodedSet,
    *,
    sample_size: int = ROBUSTNESS_SAMPLE_SIZE,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> Robustness:
    """Returns how a classifier holds on images that are made worse, after they were brought to its size.

    Args:
        classifier: which.
        decoded_set: labeled images, in the classifier's form and with its classes.
        sample_size: of how many images, drawn at random.
        seed: of what is drawn.
        progress: told the corruptions done.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(decoded_set.pixels))[:sample_size])
    pixels, labels = decoded_set.pixels[rows], decoded_set.images.labels[rows]
    right = _count_correct(classifier, pixels, labels)
    accuracy = right / len(rows)
    curves = []
    with progress.track("making images worse", len(CORRUPTIONS), "corruptions") as task:
        for name, corruption in CORRUPTIONS.items():
            counts = [
                _count_correct(classifier, corrupt_images(pixels, corruption, severity, seed), labels)
                for severity in range(1, MAX_SEVERITY + 1)
            ]
            fractions = tuple(count / len(rows) for count in counts)
            intervals = tuple((low, high) for low, high in (wilson(count, len(rows)) for count in counts))
            held = float(np.mean(fractions)) / accuracy if accuracy else 0.0
            curves.append(CorruptionCurve(name, fractions, intervals, held))
            task.advance()
    low, high = wilson(right, len(rows))
    worst_first = tuple(sorted(curves, key=lambda curve: curve.relative_accuracy))
    return Robustness(len(rows), accuracy, (low, high), worst_first, decoded_set.images.name)


def corrupt_images(pixels: NDArray[np.uint8], corruption: Corruption, severity: int, seed: int) -> NDArray[np.uint8]:
    """Returns (n, h, w, c) images made worse, each in its own way, and the same way every time."""
    rng = np.random.default_rng((seed, severity))
    return np.stack([corruption(one, severity, rng) for one in pixels])


def _count_correct(classifier: Classifier, pixels: NDArray[np.uint8], labels: NDArray[np.int32]) -> int:
    return int((classifier.predict_log_probabilities(pixels).argmax(axis=1) == labels).sum())
