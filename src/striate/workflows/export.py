"""A run's classifier exported, and compared with the original on the run's own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.config import frozen_config
from striate.data.image_set import ImageSet
from striate.data.loaders.load import DataSource, load_images
from striate.data.splits import load_splits
from striate.errors import DataError
from striate.evaluation.intervals import Interval, compute_paired_difference, wilson
from striate.exporters.formats import EXPORT_FORMATS, ExportFormat
from striate.exporters.verification import Parity, compute_total_bytes, export_and_verify
from striate.progress import NO_PROGRESS, Progress
from striate.runs.run import Run
from striate.workflows.run_data import own_set, some_decoded

COMPARED, MEASURED, CALIBRATED = 200, 2000, 200
"""Images: on which a float32 file is compared; on which an int8 one is measured; that set the scales of int8."""


@frozen_config
class Share:
    """An accuracy, 0..1, and its 95 % interval."""

    accuracy: float
    interval: Interval


@frozen_config
class Quantised:
    """What int8 costs.

    Attributes:
        calibrated_on: images that set the scales; the classifier learned from them, if it learned from any.
        pictures: on how many the accuracies were measured, before and after on the same.
        before: the classifier's.
        after: the file's.
        difference: after minus before.
        interval: of the difference, 95 %, see intervals.paired_difference.
    """

    calibrated_on: int
    pictures: int
    before: Share
    after: Share
    difference: float
    interval: Interval


@frozen_config
class Exported:
    """What was written.

    Attributes:
        file: the file, or the folder.
        format: its name.
        bytes: its size.
        batch: images at once; None for any number.
        parity: how its predictions differ from the classifier's.
        int8: what quantising cost; None for float32.
    """

    file: str
    format: str
    bytes: int
    batch: int | None
    parity: Parity
    int8: Quantised | None = None


def export(
    what: Run | Classifier,
    format: str,
    path: Path | str | None = None,
    *,
    data: DataSource | None = None,
    batch: int | None = None,
    int8: bool = False,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> Exported:
    """Returns what was written: the classifier of a run, its class names and preprocessing contract inside, in a file
    that was read again and predictions as the classifier does.

    Args:
        what: a finished run; or a classifier, and then `data`.
        format: a key of EXPORT_FORMATS.
        path: where; by default `classifier.onnx`, or what the format is called, in the run's folder `exported`.
        data: labeled images to compare on instead of the run's own test images.
        batch: images that the graph takes at once; None for any number.
        int8: quantise, with scales from the run's training images (from `data`, if that is given).
        seed: of the drawing of images.
        progress: shows what happens.

    Raises:
        ParityError: the file answers otherwise, and is not kept.
        DataError: no images to compare on.
        BackendError, ConfigError: see shipping.checked.
    """
    kind = EXPORT_FORMATS[format]
    kind.require_modules()
    classifier = what.classifier if isinstance(what, Run) else what
    classifier.require_keras_model()
    measured_on, calibrated_on = _sets(what, data, progress)
    pixels, labels = _drawn(classifier, measured_on, MEASURED if int8 else COMPARED, seed, progress)
    calibration = _drawn(classifier, calibrated_on, CALIBRATED, seed, progress)[0] if int8 else None
    target = _target(what, kind, path, int8=int8)
    progress.log(f"Writing {kind.name}, and comparing its predictions for {len(pixels):,} images.")
    differs, found = export_and_verify(
        classifier, kind, target, pixels, batch_size=batch, calibration_images=calibration
    )
    cost = None
    if calibration is not None:
        cost = _cost(len(calibration), labels, classifier.predict_probabilities(pixels), found)
    return Exported(str(target), kind.name, compute_total_bytes(target), batch, differs, cost)


def _sets(what: Run | Classifier, data: DataSource | None, progress: Progress) -> tuple[ImageSet, ImageSet]:
    """Returns the images to measure on, and those to calibrate on."""
    if data is not None:
        given = load_images(data, progress=progress)
        return given, given
    if not isinstance(what, Run):
        raise DataError("An export is checked on real images, and a classifier alone has none", hint="--data DATA")
    try:
        splits = load_splits(own_set(what, progress=progress), what.get_verified_file("split.csv"))
    except DataError as error:
        raise DataError(f"An export is checked on real images. {error}", hint="--data DATA") from None
    return splits.test, splits.train


def _drawn(
    classifier: Classifier, images: ImageSet, most: int, seed: int, progress: Progress
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Returns images as the model sees them, and their classes by the classifier's numbers (-1 for others)."""
    decoded = some_decoded(images, classifier.preprocessing, most, seed=seed, progress=progress)
    number = {name: index for index, name in enumerate(classifier.classes)}
    own = np.array([number.get(name, -1) for name in decoded.images.classes])
    return np.asarray(decoded.pixels), own[decoded.images.labels]


def _target(what: Run | Classifier, kind: ExportFormat, path: Path | str | None, *, int8: bool) -> Path:
    if path is not None:
        return Path(path)
    folder = what.path / "exported" if isinstance(what, Run) else Path()
    stem = "classifier-int8" if int8 else "classifier"
    return folder / (f"{stem}-{kind.name}" if kind.is_folder else f"{stem}{kind.suffix}")


def _cost(
    calibrated_on: int, labels: NDArray[np.int64], before: NDArray[np.float64], after: NDArray[np.float64]
) -> Quantised:
    right = [found.argmax(axis=1) == labels for found in (before, after)]
    fractions = [Share(float(one.mean()), wilson(int(one.sum()), len(one))) for one in right]
    paired = compute_paired_difference(right[0], right[1])
    return Quantised(calibrated_on, len(labels), fractions[0], fractions[1], paired.difference, paired.interval)
