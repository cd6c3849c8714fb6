"""Symptoms: what a training notes about itself for the doctor, since the rest of its folder does not tell."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.config import from_json, frozen_config, read_former_keys
from striate.data.decoded_cache import DecodedSet
from striate.data.image_set import SPLIT_NAMES, ImageSet
from striate.diagnosis.outcome_counts import OutcomeCounts, count_outcomes
from striate.errors import ConfigError
from striate.evaluation.prediction_table import LabeledPredictions
from striate.system.backend import keras
from striate.system.checksums import verify_file

if TYPE_CHECKING:
    from striate.training.loss_monitor import LossTrace

SIGNALS_FORMAT = 2
SIGNALS_FILE = "symptoms.json"
MAX_LOSS_SEGMENTS = 20  # into which the first epoch's losses are brought
MAX_FILES_NAMED = 1000  # images that are named


@read_former_keys(deviation="std")
@frozen_config
class SplitStatistics:
    """How the images of a split look, in 0..255, before the model.

    Attributes:
        split: which.
        n: images looked at.
        mean: of all their pixels.
        std: of all their pixels.
        shift: how far their single means and deviations are from those of the training images: the larger of the
            two Kolmogorov–Smirnov distances, 0..1.
        p_value: of that distance, if the split were drawn from the same images (corrected for taking the larger).
    """

    split: str
    n: int
    mean: float
    std: float
    shift: float
    p_value: float


@read_former_keys(units="unit_count", dead="dead_count")
@frozen_config
class LayerActivity:
    """A rectified layer: its units (for maps: its channels), and those that answered no image at all with more than
    zero.
    """

    layer: str
    unit_count: int
    dead_count: int


@read_former_keys(deviation="std")
@frozen_config
class InputScale:
    """Mean and deviation of what the first layer with weights is given of the training images; which layer."""

    layer: str
    mean: float
    std: float


@read_former_keys(first="first_batch", last="last_batch", count="image_count")
@frozen_config
class NonFiniteBatches:
    """Where the loss was first NaN or infinite.

    Attributes:
        epoch: number, from 1.
        first_batch: first of the batches at work then, from 1 within the epoch.
        last_batch: last of them.
        files: their images by key, batch after batch (at most 1,000).
        image_count: how many images they hold.
    """

    epoch: int
    first_batch: int
    last_batch: int
    files: tuple[str, ...]
    image_count: int


@read_former_keys(
    looks="split_statistics",
    learnt="train_outcomes",
    neighbours="neighbor_outcomes",
    scale="input_scale",
    units="layer_activities",
    early="early_losses",
    peak="peak_loss",
    broken="non_finite_batches",
)
@frozen_config
class TrainingSignals:
    """What a training notes about itself.

    Attributes:
        format: of symptoms.json.
        split_statistics: the images of each split.
        train_outcomes: how a sample of the training images is answered by the finished model, unchanged and without
            dropout; None where there is no finished model.
        neighbor_outcomes: how validation images are answered by the nearest training images, pixel by pixel: what there
            is to learn without learning.
        input_scale: what reaches the first layer with weights; None where that is not known or normalized.
        layer_activities: rectified layers.
        early_losses: mean training losses of the pieces of the first epoch.
        peak_loss: the largest loss of a few steps in the first epoch; None where none was finite.
        non_finite_batches: where the loss broke.
        devices: what Keras saw.
        accelerators: graphics processors that the machine has.
    """

    format: int
    split_statistics: tuple[SplitStatistics, ...]
    train_outcomes: OutcomeCounts | None
    neighbor_outcomes: OutcomeCounts | None
    input_scale: InputScale | None
    layer_activities: tuple[LayerActivity, ...]
    early_losses: tuple[float, ...]
    peak_loss: float | None
    non_finite_batches: NonFiniteBatches | None
    devices: tuple[str, ...]
    accelerators: tuple[str, ...]


def load_training_signals(folder: Path) -> TrainingSignals | None:
    """Returns what the training noted; None for a run that noted nothing, or in another form."""
    try:
        return from_json(TrainingSignals, verify_file(folder, SIGNALS_FILE).read_bytes(), SIGNALS_FILE)
    except (OSError, ConfigError):
        return None


def locate_non_finite_loss(loss_monitor: LossTrace, train_images: ImageSet) -> NonFiniteBatches | None:
    """Returns where the loss broke, with the images' keys."""
    if loss_monitor.broken is None:
        return None
    found = loss_monitor.broken
    keys = train_images.keys[found.pictures]
    return NonFiniteBatches(found.epoch, found.first, found.last, tuple(map(str, keys[:MAX_FILES_NAMED])), len(keys))


def summarize_first_epoch(loss_monitor: LossTrace) -> tuple[tuple[float, ...], float | None]:
    """Returns the first epoch's losses in at most PIECES pieces, and the largest of them before that."""
    steps = [done for done, _ in loss_monitor.early]
    weights = [after - before for before, after in zip([0, *steps], steps, strict=False)]
    losses = [loss for _, loss in loss_monitor.early]
    size = max(1, math.ceil(len(losses) / MAX_LOSS_SEGMENTS))
    pieces = []
    for start in range(0, len(losses), size):
        part, weight = losses[start : start + size], weights[start : start + size]
        pieces.append(sum(a * b for a, b in zip(part, weight, strict=True)) / sum(weight))
    return tuple(pieces), max(losses, default=None)


MAX_PROBE_IMAGES = 64  # a unit that answers one image in twenty is silent on all of so many with a probability of 4 %
MAX_PROBE_BYTES = 256 << 20  # of the predictions of all layers, at a time
NORMALIZATION_LAYERS = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization")


def measure_layer_activity(
    model: Any, pixels: NDArray[np.uint8], max_images: int = MAX_PROBE_IMAGES
) -> tuple[InputScale | None, tuple[LayerActivity, ...]]:
    """Returns mean and deviation of what the first layer with weights is given, and each rectified layer's dead units;
    nothing of a model that is no graph of layers.

    Args:
        model: with finite weights.
        pixels: (n, h, w, c), n ≥ 1.
        max_images: of more than so many, the first are looked at.
    """
    if type(model).__name__ not in ("Functional", "Sequential"):
        return None, ()
    first = next((layer for layer in model.layers if layer.weights and type(layer).__name__ != "Normalization"), None)
    rectified = [layer for layer in model.layers if _is_rectified(layer)]
    if first is None or not isinstance(getattr(first, "input", None), keras.KerasTensor):
        return None, ()
    probe = keras.Model(model.inputs, [first.input, *(layer.output for layer in rectified)])
    size = 4 * sum(math.prod(output.shape[1:]) for output in probe.outputs)
    at_once = max(1, min(MAX_PROBE_IMAGES, MAX_PROBE_BYTES // max(1, size)))
    inputs, highest = [], [np.full(layer.output.shape[-1], -np.inf) for layer in rectified]
    for start in range(0, min(max_images, len(pixels)), at_once):
        found = probe([pixels[start : min(start + at_once, max_images)]], training=False)
        given, *predictions = found if isinstance(found, list | tuple) else (found,)
        inputs.append(keras.ops.convert_to_numpy(keras.ops.cast(given, "float32")).ravel())
        for number, prediction in enumerate(predictions):
            largest = keras.ops.max(keras.ops.cast(prediction, "float32"), axis=tuple(range(len(prediction.shape) - 1)))
            highest[number] = np.maximum(highest[number], keras.ops.convert_to_numpy(largest))
    units = tuple(
        LayerActivity(layer.name, len(one), int(np.sum(one <= 0)))
        for layer, one in zip(rectified, highest, strict=True)
    )
    whole = np.concatenate(inputs).astype(np.float64)
    if type(first).__name__ in NORMALIZATION_LAYERS or not np.isfinite(whole).all():
        return None, units
    return InputScale(first.name, float(whole.mean()), float(whole.std())), units


def _is_rectified(layer: Any) -> bool:
    """Plain ReLU only: a leaky one cannot die, and one that is cut off above dies in the same way below."""
    if not isinstance(getattr(layer, "output", None), keras.KerasTensor):
        return False
    activation = getattr(layer, "activation", None)
    return (isinstance(layer, keras.layers.ReLU) and not layer.negative_slope) or activation in (
        keras.activations.relu,
        keras.activations.relu6,
    )


SPLIT_SAMPLE_SIZE = 1000  # images of a split: an accuracy is known to 3 points then
THUMBNAIL_SIDE = 8  # pixels on each side, of what the nearest neighbors are looked for among
NEIGHBOR_COUNT = 5

DecodedSplits = tuple[DecodedSet, DecodedSet, DecodedSet]


def collect_training_signals(
    splits: DecodedSplits, classifier: Classifier | None, loss_monitor: LossTrace
) -> TrainingSignals:
    """Returns what a training notes about itself.

    Args:
        splits: training, validation and test images.
        classifier: what came out; None when nothing did.
        loss_monitor: how the loss began, and where it broke.
    """
    from striate.system.backend import list_devices

    chosen = [_sample_indices(len(part.pixels)) for part in splits]
    pixels = [np.ascontiguousarray(part.pixels[one]) for part, one in zip(splits, chosen, strict=True)]
    trained, scale = None, None
    units: tuple[LayerActivity, ...] = ()
    if classifier is not None:
        images = splits[0].images
        rows = classifier.predict_log_probabilities(pixels[0])
        if np.isfinite(rows).all():
            trained = count_outcomes(
                LabeledPredictions(images.classes, images.keys[chosen[0]], images.labels[chosen[0]], rows)
            )
            scale, units = measure_layer_activity(classifier.model, pixels[0])
    early, peak = summarize_first_epoch(loss_monitor)
    return TrainingSignals(
        format=SIGNALS_FORMAT,
        split_statistics=_compute_split_statistics(pixels),
        train_outcomes=trained,
        neighbor_outcomes=_count_neighbor_outcomes(splits, pixels, chosen),
        input_scale=scale,
        layer_activities=units,
        early_losses=early,
        peak_loss=peak,
        non_finite_batches=locate_non_finite_loss(loss_monitor, splits[0].images),
        devices=tuple(list_devices()),
        accelerators=list_accelerators(),
    )


def list_accelerators(root: Path = Path("/")) -> tuple[str, ...]:
    """Returns the names of the machine's NVIDIA and AMD processors for computing, whether or not Keras can use them, as
    Linux shows them.
    """
    found = [path.read_text(encoding="utf-8") for path in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))]
    names = [
        line.partition(":")[2].strip() for text in found for line in text.splitlines() if line.startswith("Model:")
    ]
    if not names:
        names = ["NVIDIA GPU" for _ in sorted(root.glob("dev/nvidia[0-9]"))]
    return (*names, *(["AMD GPU"] if (root / "dev/kfd").exists() else []))


def _sample_indices(n: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng(0).permutation(n)[:SPLIT_SAMPLE_SIZE])


def _compute_split_statistics(pixels: list[NDArray[np.uint8]]) -> tuple[SplitStatistics, ...]:
    """Returns each split's mean and deviation, and how far its images are from those of training."""
    from scipy.stats import ks_2samp

    single = [
        np.stack([part.mean(axis=(1, 2, 3), dtype=np.float64), part.std(axis=(1, 2, 3), dtype=np.float64)])
        for part in pixels
    ]
    found = []
    for split, part, own in zip(SPLIT_NAMES, pixels, single, strict=True):
        tests = [ks_2samp(a, b, method="asymp") for a, b in zip(single[0], own, strict=True)]
        found.append(
            SplitStatistics(
                split,
                len(part),
                float(part.mean(dtype=np.float64)),
                float(part.std(dtype=np.float64)),
                max(float(test.statistic) for test in tests),
                min(1.0, len(tests) * min(float(test.pvalue) for test in tests)),
            )
        )
    return tuple(found)


def _count_neighbor_outcomes(
    splits: DecodedSplits, pixels: list[NDArray[np.uint8]], indices: list[NDArray[np.intp]]
) -> OutcomeCounts | None:
    """Returns how the nearest training images answer for those of validation, by thumbnails of equal contrast."""
    train, validation = (part.images for part in itertools.islice(splits, 2))
    known, asked = (_build_thumbnails(part) for part in pixels[:2])
    fractions = _vote_neighbors(known, train.labels[indices[0]], asked, len(train.classes))
    rows = np.log(np.clip(fractions, 1e-6, 1))
    return count_outcomes(
        LabeledPredictions(train.classes, validation.keys[indices[1]], validation.labels[indices[1]], rows)
    )


def _vote_neighbors(
    reference_thumbnails: NDArray[np.float32],
    labels: NDArray[np.int32],
    query_thumbnails: NDArray[np.float32],
    num_classes: int,
) -> NDArray[np.float64]:
    """Returns (n, classes) fractions of the votes of the nearest Neighbors, each weighing as much as it is near;
    those at the very place vote alone.
    """
    here, there = reference_thumbnails.astype(np.float64), query_thumbnails.astype(np.float64)
    lengths = np.square(here).sum(axis=1), np.square(there).sum(axis=1)
    squares = np.maximum(lengths[1][:, None] + lengths[0] - 2 * (there @ here.T), 0)
    nearest = np.argpartition(squares, min(NEIGHBOR_COUNT, len(here)) - 1, axis=1)[:, :NEIGHBOR_COUNT]
    distances = np.sqrt(np.square(there[:, None] - here[nearest]).sum(axis=2))  # exact where images are the same
    is_same = distances == 0
    weights = np.where(is_same.any(axis=1, keepdims=True), is_same, 1 / np.where(is_same, 1, distances))
    fractions = np.zeros((len(there), num_classes))
    np.add.at(fractions, (np.arange(len(there))[:, None], labels[nearest]), weights)
    result: NDArray[np.float64] = fractions / fractions.sum(axis=1, keepdims=True)
    return result


def _build_thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    small = np.stack(
        [cv2.resize(one, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA).ravel() for one in pixels]
    ).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    result: NDArray[np.float32] = small / np.maximum(small.std(axis=1, keepdims=True), 1e-6)
    return result
