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

LogitsFunction = Callable[[NDArray[Any]], NDArray[Any]]
"""From some images to the model's logits for them, in this process alone."""


class DistributedStrategy(Protocol):
    """Several processes that train one model on one recipe: data parallelism.

    Each is fed its fraction of every batch, and the gradients are averaged, so that a step is the step that one process
    would have made on the whole batch, but for the order in which sums are made. All that decides how the training goes
    on, the running means and the validation's figures too, is the same in all of them.

    Attributes:
        rank: this process' number, from 0. The first one writes.
        world_size: how many there are.
    """

    rank: int
    world_size: int

    def wrap_model(self, model: Any, batch_size: int) -> Any:
        """Returns what Keras' fit is given in the model's place, for batches of so many images in all."""

    def get_logits_function(self, model: Any) -> LogitsFunction:
        """Returns the model's predictions as its weights are now."""

    def all_gather(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns (size, n): the (n,) values that each process has handed over."""


def refuse_indivisible_batch(recipe: Recipe, process_count: int) -> None:
    """Raises ConfigError unless every process gets as many images of a batch as the others."""
    if recipe.batch is not None and recipe.batch % process_count:
        below, above = recipe.batch // process_count * process_count, -(-recipe.batch // process_count) * process_count
        raise ConfigError(
            "The batch cannot be shared out evenly",
            received=f"{recipe.batch} images among {process_count} processes",
            expected=f"a multiple of {process_count}",
            hint=f"--batch {above if below == 0 else below}",
        )


def choose_process_count(batch_size: int, max_processes: int) -> int:
    """Returns the greatest number of processes, at most so many, that share a batch out evenly."""
    return next(number for number in range(max_processes, 0, -1) if batch_size % number == 0)


def require_same_weights(strategy: DistributedStrategy, model: Any) -> str:
    """Returns the SHA-256 of the model's weights, which is the same in all processes.

    Raises:
        TrainingError: it is not: they have learned different things.
    """
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).data)
    found = digest.hexdigest()
    words = np.array([int(found[at : at + 12], 16) for at in range(0, 60, 12)], np.float64)  # 48 bits are exact
    if (strategy.all_gather(words) != words).any():
        raise TrainingError(
            "The processes that trained together do not hold the same weights",
            received=f"{found[:12]} in process {strategy.rank}",
            hint="the same versions, and the same kind of processor, on every computer",
        )
    return found


Callback: Any = keras.callbacks.Callback


class DistributedValidation(Callback):  # type: ignore[misc]
    """Adds `val_loss` and `val_accuracy` to an epoch's figures, as Keras' own evaluation would; to be the first of the
    callbacks.

    Args:
        strategy: the processes.
        local_model: to be measured.
        validation_batches: the validation images.
        label_smoothing: of the loss.
    """

    def __init__(
        self, strategy: DistributedStrategy, local_model: Any, validation_batches: Batches, label_smoothing: float
    ) -> None:
        super().__init__()
        self.strategy, self.local_model, self.validation_batches = strategy, local_model, validation_batches
        self.label_smoothing = label_smoothing

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures."""
        from scipy.special import log_softmax

        prediction, sums = self.strategy.get_logits_function(self.local_model), np.zeros(3)
        mine = range(len(self.validation_batches))[self.strategy.rank :: self.strategy.world_size]
        for index in mine:
            pixels, targets = self.validation_batches[index]
            logits = np.asarray(prediction(_pad_batch(pixels, self.validation_batches.batch_size)), np.float64)[
                : len(pixels)
            ]
            smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[1]
            losses = -(smoothed * log_softmax(logits, axis=1)).sum(axis=1)
            right = logits.argmax(axis=1) == targets.argmax(axis=1)
            sums += losses.sum(), right.sum(), len(pixels)
        loss, right, count = self.strategy.all_gather(sums).sum(axis=0)
        logs["val_loss"], logs["val_accuracy"] = float(loss / count), float(right / count)


def _pad_batch(pixels: Any, batch_size: int) -> Any:
    """Returns the images of a last batch filled up, so that one shape is compiled."""
    return pixels if len(pixels) == batch_size else np.resize(pixels, (batch_size, *pixels.shape[1:]))
