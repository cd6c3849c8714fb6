"""Decoded pictures → batches. Order and augmentation are pure functions of (seed, epoch), never of what ran before, so
a training can be repeated and resumed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.augment import NONE, Augment

_ORDER, _CHANGE, _SIDE = 0, 1, 2  # streams of random numbers under one seed

Batch = tuple[NDArray[Any], NDArray[np.float32]]
"""Pictures and their one-hot labels."""


class Batches:
    """Batches of (uint8 pictures, float32 one-hot labels).

    Args:
        pixels: (n, h, w, c) uint8, in memory or memory-mapped; or (n, d) float32, what a network sees of them.
        labels: (n,) int32.
        classes: number of classes.
        batch: pictures per batch.
        shuffle_seed: None keeps the order and the last, smaller batch; a number shuffles by (seed, epoch) and
            leaves the pictures of an incomplete last batch to another epoch, so that every step has one shape.
        augment: random changes, applied only when shuffling.
        most: batches after which an epoch ends, when shuffling; None for all.
        part: (number, how many): of every batch only that part is given, as it is within the whole one; `batch` is a
            multiple of how many there are.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        labels: NDArray[np.int32],
        classes: int,
        batch: int,
        *,
        shuffle_seed: int | None = None,
        augment: Augment = NONE,
        most: int | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self.part = part
        self.pixels = pixels
        self.targets = np.eye(classes, dtype=np.float32)[labels]
        self.batch = min(batch, len(pixels))
        self.seed = shuffle_seed
        self.augment = augment
        self.most = most
        self.mirrored_first = np.random.default_rng((shuffle_seed or 0, _SIDE)).random(len(pixels)) < 0.5
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Fixes the order of epoch number `epoch` (from 0)."""
        self.epoch = epoch
        if self.seed is None:
            self.order = np.arange(len(self.pixels))
        else:
            self.order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.pixels))

    def __len__(self) -> int:
        if self.seed is None:
            return math.ceil(len(self.pixels) / self.batch)
        return min(len(self.pixels) // self.batch, self.most or len(self.pixels))

    def __getitem__(self, index: int) -> Batch:
        """Returns batch number `index` of the current epoch."""
        whole = self.order[index * self.batch : (index + 1) * self.batch]
        rows = share(len(whole), *self.part)
        pixels: Any = self.pixels[whole[rows]]
        if self.seed is not None and self.augment != NONE:
            rng = np.random.default_rng((self.seed, _CHANGE, self.epoch, index))
            mirrored = self.mirrored_first[whole] ^ bool(self.epoch % 2)
            pixels = self.augment(pixels, rng, mirrored, count=len(whole), rows=rows)
        return pixels, self.targets[whole[rows]]


def share(count: int, number: int, parts: int) -> slice:
    """Returns which of `count` rows are part `number` of so many: all get as many, or one more."""
    return slice(count * number // parts, count * (number + 1) // parts)
