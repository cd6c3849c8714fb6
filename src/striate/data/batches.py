"""Decoded images → batches. Order and augmentation are pure functions of (seed, epoch), never of what ran before, so
a training can be repeated and resumed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.augment import NO_AUGMENT, Augment

_ORDER_STREAM, _AUGMENT_STREAM, _FLIP_STREAM = 0, 1, 2  # streams of random numbers under one seed

Batch = tuple[NDArray[Any], NDArray[np.float32]]
"""Images and their one-hot labels."""


class Batches:
    """Batches of (uint8 images, float32 one-hot labels).

    Args:
        pixels: (n, h, w, c) uint8, in memory or memory-mapped; or (n, d) float32, what a model sees of them.
        labels: (n,) int32.
        num_classes: number of classes.
        batch_size: images per batch.
        shuffle_seed: None keeps the order and the last, smaller batch; a number shuffles by (seed, epoch) and
            leaves the images of an incomplete last batch to another epoch, so that every step has one shape.
        augment: random changes, applied only when shuffling.
        max_steps: batches after which an epoch ends, when shuffling; None for all.
        shard: (number, how many): of every batch only that part is given, as it is within the whole one; `batch_size`
            is a multiple of how many there are.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        labels: NDArray[np.int32],
        num_classes: int,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        augment: Augment = NO_AUGMENT,
        max_steps: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.shard = shard
        self.pixels = pixels
        self.targets = np.eye(num_classes, dtype=np.float32)[labels]
        self.batch_size = min(batch_size, len(pixels))
        self.seed = shuffle_seed
        self.augment = augment
        self.max_steps = max_steps
        self.initial_flips = np.random.default_rng((shuffle_seed or 0, _FLIP_STREAM)).random(len(pixels)) < 0.5
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Fixes the order of epoch number `epoch` (from 0)."""
        self.epoch = epoch
        if self.seed is None:
            self.order = np.arange(len(self.pixels))
        else:
            self.order = np.random.default_rng((self.seed, _ORDER_STREAM, epoch)).permutation(len(self.pixels))

    def __len__(self) -> int:
        if self.seed is None:
            return math.ceil(len(self.pixels) / self.batch_size)
        return min(len(self.pixels) // self.batch_size, self.max_steps or len(self.pixels))

    def __getitem__(self, index: int) -> Batch:
        """Returns batch number `index` of the current epoch."""
        whole = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rows = compute_shard_slice(len(whole), *self.shard)
        pixels: Any = self.pixels[whole[rows]]
        if self.seed is not None and self.augment != NO_AUGMENT:
            rng = np.random.default_rng((self.seed, _AUGMENT_STREAM, self.epoch, index))
            mirrored = self.initial_flips[whole] ^ bool(self.epoch % 2)
            pixels = self.augment(pixels, rng, mirrored, batch_size=len(whole), rows=rows)
        return pixels, self.targets[whole[rows]]


def compute_shard_slice(count: int, index: int, shard_count: int) -> slice:
    """Returns which of `count` rows are part `index` of so many: all get as many, or one more."""
    return slice(count * index // shard_count, count * (index + 1) // shard_count)
