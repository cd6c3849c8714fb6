"""The validation of a training by several processes: each measures a share of the pictures, and all learn the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from striate.backend import keras
from striate.images.batches import Batches
from striate.training.parallel.parallel import Parallel

Callback: Any = keras.callbacks.Callback


class Validate(Callback):  # type: ignore[misc]
    """Adds `val_loss` and `val_accuracy` to an epoch's figures, as Keras' own evaluation would; to be the first of the
    callbacks.

    Args:
        parallel: the processes.
        network: to be measured.
        held_out: the validation pictures.
        label_smoothing: of the loss.
    """

    def __init__(self, parallel: Parallel, network: Any, held_out: Batches, label_smoothing: float) -> None:
        super().__init__()
        self.parallel, self.network, self.held_out = parallel, network, held_out
        self.label_smoothing = label_smoothing

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures."""
        from scipy.special import log_softmax

        answer, sums = self.parallel.logits(self.network), np.zeros(3)
        mine = range(len(self.held_out))[self.parallel.rank :: self.parallel.size]
        for index in mine:
            pixels, targets = self.held_out[index]
            logits = np.asarray(answer(_filled(pixels, self.held_out.batch)), np.float64)[: len(pixels)]
            smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[1]
            losses = -(smoothed * log_softmax(logits, axis=1)).sum(axis=1)
            right = logits.argmax(axis=1) == targets.argmax(axis=1)
            sums += losses.sum(), right.sum(), len(pixels)
        loss, right, count = self.parallel.gathered(sums).sum(axis=0)
        logs["val_loss"], logs["val_accuracy"] = float(loss / count), float(right / count)


def _filled(pixels: Any, size: int) -> Any:
    """Returns the pictures of a last batch filled up, so that one shape is compiled."""
    return pixels if len(pixels) == size else np.resize(pixels, (size, *pixels.shape[1:]))
