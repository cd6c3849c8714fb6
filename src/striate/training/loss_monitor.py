"""Where a loss began, and where it ceased to be a number: what the history of epochs cannot tell."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.system.backend import ACTIVE_BACKEND, keras
from striate.training.data_loader import PrefetchDataset

Callback: Any = keras.callbacks.Callback


@dataclass(frozen=True, eq=False)
class Break:
    """The first steps after which the loss was NaN or infinite.

    Attributes:
        epoch: number, from 1.
        first: the first of the batches at work then, numbered from 1 within the epoch.
        last: the last of them: Keras runs several steps at once on TensorFlow, and reports after the last one.
        pictures: of those batches, (n,) indices into the training images, batch after batch.
    """

    epoch: int
    first: int
    last: int
    pictures: NDArray[np.int64]


@dataclass(eq=False)
class LossTrace:
    """What a training's first epoch did to the loss, and where it broke.

    Attributes:
        early: (steps done, mean loss of the steps since the entry before), through the first epoch.
        broken: where the loss was first not finite; None where it always was.
        lost: the epoch in which the weights themselves ceased to be numbers, after which there is nothing to learn.
        total: sum of the losses of the epoch's steps so far.
    """

    early: list[tuple[int, float]] = field(default_factory=list)
    broken: Break | None = None
    lost: int | None = None
    total: float = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Returns plain values, for a checkpoint."""
        broken = self.broken
        return {
            "early": self.early,
            "lost": self.lost,
            "total": self.total,
            "broken": None if broken is None else {**asdict(broken), "pictures": broken.pictures.tolist()},
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.early[:] = [(int(step), float(mean)) for step, mean in values["early"]]
        self.lost, self.total = values["lost"], float(values["total"])
        if (broken := values["broken"]) is not None:
            self.broken = Break(**{**broken, "pictures": np.asarray(broken["pictures"], np.int64)})


class WatchLoss(Callback):  # type: ignore[misc]
    """Fills a LossTrace, and ends a training whose weights are no numbers any more, since they never will be again.

    Keras hands its running mean over every call anyway, so that watching costs nothing.

    Args:
        trace: what to fill.
        feed: the training batches, whose order tells which images were at work.
    """

    def __init__(self, trace: LossTrace, feed: PrefetchDataset) -> None:
        super().__init__()
        self.trace, self.feed, self.batches = trace, feed, feed.batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts counting; Keras' means start anew too."""
        self.is_first, self.done = epoch == 0, self.feed.start
        if not self.done:
            self.trace.total = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the mean loss of the epoch so far; `batch` jumps by the steps of a call."""
        done, mean = min(self.feed.start + batch + 1, len(self.batches)), float(logs["loss"])
        if math.isfinite(mean):
            if self.is_first and done > self.done:
                self.trace.early.append((done, (mean * done - self.trace.total) / (done - self.done)))
        elif self.trace.broken is None:
            size = self.batches.batch_size
            images = self.batches.order[self.done * size : done * size]
            self.trace.broken = Break(self.batches.epoch + 1, self.done + 1, done, np.asarray(images, np.int64))
            self._look(self.batches.epoch)
        self.done, self.trace.total = done, mean * done

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the weights again, should the loss be no number."""
        if not math.isfinite(float(logs["loss"])):
            self._look(epoch)

    def _look(self, epoch: int) -> None:
        """Ends the training when the weights are lost."""
        if ACTIVE_BACKEND.name == "jax":  # whose trainer keeps the variables' values to itself within an epoch
            self.model.jax_state_sync()
        variables = self.model.trainable_variables
        if not all(np.isfinite(keras.ops.convert_to_numpy(variable.value)).all() for variable in variables):
            self.trace.lost = epoch + 1
            self.model.stop_training = True
