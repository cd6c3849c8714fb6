"""What happens around Keras' epochs: order, clock, history, the best weights, and a polite stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from striate.progress import Progress
from striate.system.backend import keras
from striate.training.data_loader import PrefetchDataset
from striate.training.history import EpochMetrics

Callback: Any = keras.callbacks.Callback

Enough = Callable[[EpochMetrics], bool]
"""Is told of an epoch that has just ended, and returns whether the training is to end with it."""

MUCH_WAITING = 0.2  # fraction of an epoch's time
WAITING = (
    "{:.0%} of that time the model waited for images: they are read or changed more slowly than it learns. "
    "Simpler changes (--augment) or a faster disk would help."
)


class EpochClock(Callback):  # type: ignore[misc]
    """Sets each epoch's order, measures it, shows its progress and hands its figures on.

    Args:
        feed: the training batches.
        epochs: how many are planned.
        progress: shows steps, and each epoch's line.
        record: called with each finished epoch.
        spent: seconds spent already on an epoch that is resumed.
    """

    def __init__(
        self,
        feed: PrefetchDataset,
        epochs: int,
        progress: Progress,
        record: Callable[[EpochMetrics], None],
        spent: float = 0.0,
    ) -> None:
        super().__init__()
        self.feed, self.batches, self.spent = feed, feed.batches, spent
        self.epochs, self.progress, self.record = epochs, progress, record
        self.has_warned = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Fixes the order before Keras asks for the first batch."""
        self.feed.set_epoch(epoch)
        self.done = self.feed.start
        self.ended = time.perf_counter()
        self.began, self.spent = self.ended - self.spent, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts steps; `batch` jumps by the steps of a call."""
        done = min(self.feed.start + batch + 1, len(self.batches))
        self.progress.advance(done - self.done, note=f"epoch {self.batches.epoch + 1}/{self.epochs}")
        self.done = done
        self.ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Records the epoch."""
        seconds = self.ended - self.began
        row = EpochMetrics(
            epoch=epoch + 1,
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            val_loss=float(logs["val_loss"]),
            val_accuracy=float(logs["val_accuracy"]),
            learning_rate=float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            seconds=seconds,
            images_per_second=self.done * self.batches.batch_size / seconds,
            ms_per_step=1000 * seconds / max(1, self.done),
            wait_fraction=min(1.0, self.feed.wait_seconds / seconds),
        )
        self.record(row)
        self.progress.log(row.format_line(self.epochs))
        if row.wait_fraction > MUCH_WAITING and seconds > 1 and not self.has_warned:
            self.has_warned = True
            self.progress.log(WAITING.format(row.wait_fraction))


class KeepBest(Callback):  # type: ignore[misc]
    """Remembers the weights of the epoch with the lowest validation loss, and stops when it no longer falls.

    An epoch whose loss is NaN or infinite is never the best, wherever it comes. (Keras' own EarlyStopping keeps a
    first NaN for ever, since nothing compares below it.)

    Args:
        patience: epochs without improvement before the training stops; None never stops.
    """

    def __init__(self, patience: int | None) -> None:
        super().__init__()
        self.patience = patience
        self.best_loss = math.inf
        self.best_epoch = 0
        self.patient_from = 0  # the last epoch that was the best or ended a stage
        self.weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compares this epoch with the best."""
        loss = float(logs["val_loss"])
        if math.isfinite(loss) and math.isfinite(float(logs["loss"])) and loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch + 1
            self.patient_from = epoch + 1
            self.weights = self.model.get_weights()
        elif self.patience is not None and epoch + 1 - self.patient_from >= self.patience:
            self.model.stop_training = True

    def state_dict(self, *, is_now: bool) -> tuple[dict[str, Any], list[Any]]:
        """Returns what a checkpoint keeps of this: plain values, and the best epoch's weights.

        Args:
            is_now: the model holds the best epoch's weights at this moment, so that they are not kept twice.
        """
        values = {"loss": self.best_loss, "epoch": self.best_epoch, "patient_from": self.patient_from, "is_now": is_now}
        return values, [] if is_now or self.weights is None else self.weights

    def load_state_dict(self, values: dict[str, Any], weights: list[Any], model: Any) -> None:
        """Restores what `state_dict` returned; `model` holds the checkpoint's weights already."""
        self.set_model(model)
        self.best_loss, self.best_epoch = float(values["loss"]), int(values["epoch"])
        self.patient_from = int(values["patient_from"])
        if values["is_now"]:
            self.weights = model.get_weights()
        elif self.best_epoch:
            self.weights = weights

    def restore(self) -> None:
        """Puts the best epoch's weights back into the model, if there was one."""
        if self.weights is not None:
            self.model.set_weights(self.weights)


class StopWhenEnough(Callback):  # type: ignore[misc]
    """Ends the training after an epoch that is said to be enough, in whatever stage it is.

    Args:
        enough: asked after each epoch; None never ends it.
        rows: the epochs so far, the last one just recorded.
    """

    def __init__(self, enough: Enough | None, rows: list[EpochMetrics]) -> None:
        super().__init__()
        self.enough, self.rows = enough, rows
        self.is_enough = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Asks."""
        if self.enough is not None and self.enough(self.rows[-1]):
            self.is_enough = self.model.stop_training = True


class StopWhenAsked(Callback):  # type: ignore[misc]
    """Ends the training after the step at work once `ask` was called.

    Args:
        progress: told that it will.
        promise: what it is told.
    """

    def __init__(self, progress: Progress, promise: str = "Stopping after this step.") -> None:
        super().__init__()
        self.progress, self.promise = progress, promise
        self.asked = False

    def ask(self) -> None:
        """Asks for the end; may be called from a signal handler."""
        self.asked = True
        self.progress.log(self.promise)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops Keras' loop when asked to."""
        if self.asked:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops before another epoch begins when asked while validating."""
        if self.asked:
            self.model.stop_training = True
