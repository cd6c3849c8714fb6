"""What a training needs to know of the others that train with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.data.batches import Batches
from striate.errors import ConfigError, TrainingError
from striate.system.backend import keras
from striate.training.recipe import Recipe

Logits = Callable[[NDArray[Any]], NDArray[Any]]
"""From some images to the model's logits for them, in this process alone."""


class Parallel(Protocol):
    """Several processes that train one model on one recipe: data parallelism.

    Each is fed its fraction of every batch, and the gradients are averaged, so that a step is the step that one process
    would have made on the whole batch, but for the order in which sums are made. All that decides how the training goes
    on, the running means and the validation's figures too, is the same in all of them.

    Attributes:
        rank: this process' number, from 0. The first one writes.
        size: how many there are.
    """

    rank: int
    size: int

    def together(self, model: Any, batch: int) -> Any:
        """Returns what Keras' fit is given in the model's place, for batches of so many images in all."""

    def logits(self, model: Any) -> Logits:
        """Returns the model's predictions as its weights are now."""

    def gathered(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns (size, n): the (n,) values that each process has handed over."""


def refuse_indivisible(recipe: Recipe, size: int) -> None:
    """Raises ConfigError unless every process gets as many images of a batch as the others."""
    if recipe.batch is not None and recipe.batch % size:
        below, above = recipe.batch // size * size, -(-recipe.batch // size) * size
        raise ConfigError(
            "The batch cannot be shared out evenly",
            received=f"{recipe.batch} images among {size} processes",
            expected=f"a multiple of {size}",
            hint=f"--batch {above if below == 0 else below}",
        )


def divisor(batch: int, most: int) -> int:
    """Returns the greatest number of processes, at most so many, that share a batch out evenly."""
    return next(number for number in range(most, 0, -1) if batch % number == 0)


def require_same(parallel: Parallel, model: Any) -> str:
    """Returns the SHA-256 of the model's weights, which is the same in all processes.

    Raises:
        TrainingError: it is not: they have learned different things.
    """
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).data)
    found = digest.hexdigest()
    words = np.array([int(found[at : at + 12], 16) for at in range(0, 60, 12)], np.float64)  # 48 bits are exact
    if (parallel.gathered(words) != words).any():
        raise TrainingError(
            "The processes that trained together do not hold the same weights",
            received=f"{found[:12]} in process {parallel.rank}",
            hint="the same versions, and the same kind of processor, on every computer",
        )
    return found


Callback: Any = keras.callbacks.Callback


class Validate(Callback):  # type: ignore[misc]
    """Adds `val_loss` and `val_accuracy` to an epoch's figures, as Keras' own evaluation would; to be the first of the
    callbacks.

    Args:
        parallel: the processes.
        network: to be measured.
        held_out: the validation images.
        label_smoothing: of the loss.
    """

    def __init__(self, parallel: Parallel, network: Any, held_out: Batches, label_smoothing: float) -> None:
        super().__init__()
        self.parallel, self.network, self.held_out = parallel, network, held_out
        self.label_smoothing = label_smoothing

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures."""
        from scipy.special import log_softmax

        prediction, sums = self.parallel.logits(self.network), np.zeros(3)
        mine = range(len(self.held_out))[self.parallel.rank :: self.parallel.size]
        for index in mine:
            pixels, targets = self.held_out[index]
            logits = np.asarray(prediction(_filled(pixels, self.held_out.batch_size)), np.float64)[: len(pixels)]
            smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[1]
            losses = -(smoothed * log_softmax(logits, axis=1)).sum(axis=1)
            right = logits.argmax(axis=1) == targets.argmax(axis=1)
            sums += losses.sum(), right.sum(), len(pixels)
        loss, right, count = self.parallel.gathered(sums).sum(axis=0)
        logs["val_loss"], logs["val_accuracy"] = float(loss / count), float(right / count)


def _filled(pixels: Any, size: int) -> Any:
    """Returns the images of a last batch filled up, so that one shape is compiled."""
    return pixels if len(pixels) == size else np.resize(pixels, (size, *pixels.shape[1:]))
