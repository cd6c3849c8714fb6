"""Symptoms: what a training notes about itself for the doctor, since the rest of its folder does not tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from striate.config import config, from_json
from striate.diagnosis.tally import Tally
from striate.errors import ConfigError
from striate.images.imageset import ImageSet
from striate.seal import checked

if TYPE_CHECKING:
    from striate.training.loss_trace import LossTrace

FORMAT = 1
NAME = "symptoms.json"
PIECES = 20  # into which the first epoch's losses are brought
MOST = 1000  # pictures that are named


@config
class Look:
    """How the pictures of a split look, in 0..255, before the network.

    Attributes:
        split: which.
        n: pictures looked at.
        mean: of all their pixels.
        deviation: of all their pixels.
        shift: how far their single means and deviations are from those of the training pictures: the larger of the
            two Kolmogorov–Smirnov distances, 0..1.
        p_value: of that distance, if the split were drawn from the same pictures (corrected for taking the larger).
    """

    split: str
    n: int
    mean: float
    deviation: float
    shift: float
    p_value: float


@config
class Units:
    """A rectified layer: its units (for maps: its channels), and those that answered no picture at all with more than
    zero.
    """

    layer: str
    units: int
    dead: int


@config
class Scale:
    """Mean and deviation of what the first layer with weights is given of the training pictures; which layer."""

    layer: str
    mean: float
    deviation: float


@config
class Broken:
    """Where the loss was first NaN or infinite.

    Attributes:
        epoch: number, from 1.
        first: first of the batches at work then, from 1 within the epoch.
        last: last of them.
        files: their pictures by key, batch after batch (at most 1,000).
        count: how many pictures they hold.
    """

    epoch: int
    first: int
    last: int
    files: tuple[str, ...]
    count: int


@config
class Symptoms:
    """What a training notes about itself.

    Attributes:
        format: of symptoms.json.
        looks: the pictures of each split.
        learnt: how a sample of the training pictures is answered by the finished network, unchanged and without
            dropout; None where there is no finished network.
        neighbours: how validation pictures are answered by the nearest training pictures, pixel by pixel: what there
            is to learn without learning.
        scale: what reaches the first layer with weights; None where that is not known or normalises.
        units: rectified layers.
        early: mean training losses of the pieces of the first epoch.
        peak: the largest loss of a few steps in the first epoch; None where none was finite.
        broken: where the loss broke.
        devices: what Keras saw.
        accelerators: graphics processors that the machine has.
    """

    format: int
    looks: tuple[Look, ...]
    learnt: Tally | None
    neighbours: Tally | None
    scale: Scale | None
    units: tuple[Units, ...]
    early: tuple[float, ...]
    peak: float | None
    broken: Broken | None
    devices: tuple[str, ...]
    accelerators: tuple[str, ...]


def load_symptoms(folder: Path) -> Symptoms | None:
    """Returns what the training noted; None for a run that noted nothing, or in another form."""
    try:
        return from_json(Symptoms, checked(folder, NAME).read_bytes(), NAME)
    except (OSError, ConfigError):
        return None


def broken_at(trace: LossTrace, train: ImageSet) -> Broken | None:
    """Returns where the loss broke, with the pictures' keys."""
    if trace.broken is None:
        return None
    found = trace.broken
    keys = train.keys[found.pictures]
    return Broken(found.epoch, found.first, found.last, tuple(map(str, keys[:MOST])), len(keys))


def begun(trace: LossTrace) -> tuple[tuple[float, ...], float | None]:
    """Returns the first epoch's losses in at most PIECES pieces, and the largest of them before that."""
    steps = [done for done, _ in trace.early]
    weights = [after - before for before, after in zip([0, *steps], steps, strict=False)]
    losses = [loss for _, loss in trace.early]
    size = max(1, math.ceil(len(losses) / PIECES))
    pieces = []
    for start in range(0, len(losses), size):
        part, weight = losses[start : start + size], weights[start : start + size]
        pieces.append(sum(a * b for a, b in zip(part, weight, strict=True)) / sum(weight))
    return tuple(pieces), max(losses, default=None)
