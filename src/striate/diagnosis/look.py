"""A look at the pictures and the network when a training ends: what the doctor would otherwise have to guess."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.diagnosis.symptoms import FORMAT, Look, Symptoms, Units, begun, broken_at
from striate.diagnosis.tally import Tally, tally
from striate.evaluation.answered import Answered
from striate.images.cache import Decoded
from striate.images.imageset import SPLITS

if TYPE_CHECKING:
    from striate.training.loss_trace import LossTrace

SAMPLE = 1000  # pictures of a split: an accuracy is known to 3 points then
THUMBNAIL = 8  # pixels on each side, of what the nearest neighbours are looked for among
NEIGHBOURS = 5

Parts = tuple[Decoded, Decoded, Decoded]


def symptoms_of(parts: Parts, classifier: Classifier | None, trace: LossTrace) -> Symptoms:
    """Returns what a training notes about itself.

    Args:
        parts: training, validation and test pictures.
        classifier: what came out; None when nothing did.
        trace: how the loss began, and where it broke.
    """
    from striate.backend import devices

    chosen = [_sample(len(part.pixels)) for part in parts]
    pixels = [np.ascontiguousarray(part.pixels[one]) for part, one in zip(parts, chosen, strict=True)]
    learnt, scale = None, None
    units: tuple[Units, ...] = ()
    if classifier is not None:
        from striate.diagnosis.activity import activity

        images = parts[0].images
        rows = classifier.log_probabilities(pixels[0])
        if np.isfinite(rows).all():
            learnt = tally(Answered(images.classes, images.keys[chosen[0]], images.labels[chosen[0]], rows))
            scale, units = activity(classifier.model, pixels[0])
    early, peak = begun(trace)
    return Symptoms(
        format=FORMAT,
        looks=_looks(pixels),
        learnt=learnt,
        neighbours=_neighbours(parts, pixels, chosen),
        scale=scale,
        units=units,
        early=early,
        peak=peak,
        broken=broken_at(trace, parts[0].images),
        devices=tuple(devices()),
        accelerators=accelerators(),
    )


def accelerators(root: Path = Path("/")) -> tuple[str, ...]:
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


def _sample(n: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])


def _looks(pixels: list[NDArray[np.uint8]]) -> tuple[Look, ...]:
    """Returns each split's mean and deviation, and how far its pictures are from those of training."""
    from scipy.stats import ks_2samp

    single = [
        np.stack([part.mean(axis=(1, 2, 3), dtype=np.float64), part.std(axis=(1, 2, 3), dtype=np.float64)])
        for part in pixels
    ]
    found = []
    for split, part, own in zip(SPLITS, pixels, single, strict=True):
        tests = [ks_2samp(a, b, method="asymp") for a, b in zip(single[0], own, strict=True)]
        found.append(
            Look(
                split,
                len(part),
                float(part.mean(dtype=np.float64)),
                float(part.std(dtype=np.float64)),
                max(float(test.statistic) for test in tests),
                min(1.0, len(tests) * min(float(test.pvalue) for test in tests)),
            )
        )
    return tuple(found)


def _neighbours(parts: Parts, pixels: list[NDArray[np.uint8]], chosen: list[NDArray[np.intp]]) -> Tally | None:
    """Returns how the nearest training pictures answer for those of validation, by thumbnails of equal contrast."""
    train, validation = (part.images for part in itertools.islice(parts, 2))
    known, asked = (_thumbnails(part) for part in pixels[:2])
    shares = _vote(known, train.labels[chosen[0]], asked, len(train.classes))
    rows = np.log(np.clip(shares, 1e-6, 1))
    return tally(Answered(train.classes, validation.keys[chosen[1]], validation.labels[chosen[1]], rows))


def _vote(
    known: NDArray[np.float32], labels: NDArray[np.int32], asked: NDArray[np.float32], classes: int
) -> NDArray[np.float64]:
    """Returns (n, classes) shares of the votes of the nearest NEIGHBOURS, each weighing as much as it is near; those at
    the very place vote alone.
    """
    here, there = known.astype(np.float64), asked.astype(np.float64)
    lengths = np.square(here).sum(axis=1), np.square(there).sum(axis=1)
    squares = np.maximum(lengths[1][:, None] + lengths[0] - 2 * (there @ here.T), 0)
    nearest = np.argpartition(squares, min(NEIGHBOURS, len(here)) - 1, axis=1)[:, :NEIGHBOURS]
    distances = np.sqrt(np.square(there[:, None] - here[nearest]).sum(axis=2))  # exact where pictures are the same
    is_same = distances == 0
    weights = np.where(is_same.any(axis=1, keepdims=True), is_same, 1 / np.where(is_same, 1, distances))
    shares = np.zeros((len(there), classes))
    np.add.at(shares, (np.arange(len(there))[:, None], labels[nearest]), weights)
    result: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return result


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    small = np.stack(
        [cv2.resize(one, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel() for one in pixels]
    ).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    result: NDArray[np.float32] = small / np.maximum(small.std(axis=1, keepdims=True), 1e-6)
    return result
