"""Keeper: a training's state, written down now and then, and put back exactly.

What decides how a training goes on is its variables (weights, statistics, the state of every generator of random
numbers, the optimizer's moments and step count, running sums of the epoch's figures), where it is (stage, epoch, step),
and what it remembers: the epochs so far, the best one's weights, since when it has not improved, what the loss did. The
order of the images and their random changes are functions of seed, epoch and step (see images/batches.py), so that
they need not be kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.config import from_json
from striate.errors import RunError
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import ACTIVE_BACKEND, keras
from striate.training.checkpoint_store import Checkpoint, CheckpointStore, RemoteCheckpointStore
from striate.training.history import EpochMetrics
from striate.training.recipe import Recipe

if TYPE_CHECKING:
    from striate.training.callbacks import EpochClock, StopWhenAsked

Arrays = dict[str, NDArray[Any]]

OFTEN = 60.0  # seconds between two checkpoints within an epoch
SHARE = 1 / 40  # of the time at most goes into checkpoints, unless they are asked for more often


class Paused(Exception):  # noqa: N818  (nothing went wrong)
    """The training was asked to stop, and a checkpoint of this moment is written."""


@dataclass
class Place:
    """Where a training stands.

    Attributes:
        stage: which of its stages, from 0 (see train.fit).
        first: number of the stage's first epoch, from 0.
        epoch: the epoch at work or to come, from 0.
        step: steps done of it.
        ended: whether the stage ended before its last epoch because nothing more was to be gained.
        logs: running means of the epoch, when all its steps are done and only its validation is missing.
        seconds: spent on the epoch at work.
    """

    stage: int = 0
    first: int = 0
    epoch: int = 0
    step: int = 0
    ended: bool = False
    logs: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class TrainingState(Protocol):
    """What a checkpoint holds beside the variables of the model and its optimizer (see loop.Loop)."""

    first: int
    stop: StopWhenAsked

    def state_dict(self, place: Place) -> tuple[dict[str, Any], Sequence[NDArray[Any]]]:
        """Returns plain values, the recipe among them, and the best epoch's weights unless the model holds them."""

    def load_state_dict(self, values: dict[str, Any], weights: Sequence[NDArray[Any]], model: Any) -> None:
        """Restores what `state_dict` returned; `model` holds the checkpoint's variables already."""


class Keeper:
    """Writes a training's checkpoints, and begins with the newest that is there.

    Args:
        checkpoints: where they lie.
        every: seconds between two; None for OFTEN within an epoch and after every epoch, if that costs no more than
            Fraction of the time.
        progress: told of checkpoints that are damaged or cannot be written.
        others: the state of what watches the training.
        put_back: hands that to it.
        writes: whether this process writes checkpoints; of several that train together only one does.

    Attributes:
        found: the checkpoint that was there; None for a training that begins.
        place: where it stands.
        seconds: what earlier attempts took.
    """

    def __init__(
        self,
        checkpoints: CheckpointStore | RemoteCheckpointStore,
        *,
        every: float | None = None,
        progress: Progress = NO_PROGRESS,
        others: Callable[[], Arrays] = dict,
        put_back: Callable[[Arrays], None] = lambda arrays: None,
        writes: bool = True,
    ) -> None:
        self.writes = writes
        self.checkpoints, self.every, self.progress = checkpoints, every, progress
        self.others = others
        self.found, damaged = checkpoints.load_latest()
        for name in damaged:
            progress.log(
                f"The checkpoint {name} is damaged; " + ("an older one is used." if self.found else "begun anew.")
            )
        self.place = Place()
        self.seconds = 0.0
        if self.found is not None:
            self.place = Place(**self.found.metadata["place"])
            self.seconds = float(self.found.metadata["seconds"])
            put_back(_under(self.found.arrays, "other/"))
        self.began = self.last = time.perf_counter()
        self.cost = 0.0
        self.has_failed = False

    def recipe(self, recipe: Recipe) -> Recipe:
        """Returns the recipe as it was when the checkpoint was written, all that is measured in it settled."""
        return (
            recipe
            if self.found is None
            else from_json(Recipe, self.found.metadata["recipe"], "the checkpoint's recipe")
        )

    def rows(self) -> tuple[EpochMetrics, ...]:
        """Returns the epochs that are done."""
        return () if self.found is None else tuple(EpochMetrics(**row) for row in self.found.metadata["rows"])

    def is_due(self, *, after_epoch: bool) -> bool:
        """Returns whether it is time for another checkpoint."""
        since = time.perf_counter() - self.last
        if self.every is not None:
            return since >= self.every
        return since >= max(self.cost / SHARE, 0.0 if after_epoch else OFTEN)

    def save(self, state: TrainingState, model: Any, place: Place) -> bool:
        """Writes a checkpoint of this moment; returns whether it could. A disk that is full is told, once, and costs
        nothing but the checkpoint: the one before stays.
        """
        if not self.writes:
            return True
        began = time.perf_counter()
        try:
            self.checkpoints.save(self._checkpoint(state, model, place))
        except OSError as error:
            if not self.has_failed:
                where = self.checkpoints.folder
                self.progress.log(
                    f"No checkpoint can be written ({error.strerror}: {where}); the training goes on, and the last "
                    "checkpoint that is whole stays."
                )
            self.has_failed = True
            return False
        finally:
            self.last = time.perf_counter()
            self.cost = self.last - began
        self.has_failed = False
        return True

    def put_back(self, state: TrainingState, model: Any) -> None:
        """Gives a compiled model, and the training, the state that was found.

        Raises:
            RunError: the checkpoint is another model's.
        """
        assert self.found is not None  # noqa: S101
        about, arrays = self.found.metadata, self.found.arrays
        for name, variable in _variables(model):
            _assign(variable, arrays.get(name), name)
        best = _under(arrays, "best/")
        state.load_state_dict(about, [best[name] for name in sorted(best)], model)

    def put_back_sums(self, model: Any) -> None:
        """Gives the model the running sums of the epoch at work, which Keras has just set to zero."""
        assert self.found is not None  # noqa: S101
        for name, variable in _sums(model):
            _assign(variable, self.found.arrays.get(name), name)

    def _checkpoint(self, state: TrainingState, model: Any, place: Place) -> Checkpoint:
        if ACTIVE_BACKEND.name == "jax":  # whose trainer keeps the variables' values to itself within an epoch
            model.jax_state_sync()
        named = [*_variables(model), *_sums(model)]
        arrays: Arrays = {name: np.array(keras.ops.convert_to_numpy(variable.value)) for name, variable in named}
        values, best = state.state_dict(place)
        arrays |= {f"best/{at:04}": np.asarray(weights) for at, weights in enumerate(best)}
        arrays |= {f"other/{name}": array for name, array in self.others().items()}
        seconds = self.seconds + time.perf_counter() - self.began
        return Checkpoint({"place": asdict(place), **values, "seconds": seconds}, arrays)


class SaveState(keras.callbacks.Callback):  # type: ignore[misc]
    """Has a keeper save the training's state when it is due, and ends the training when it is asked to stop.

    Args:
        keeper: saves it.
        loop: the training.
        clock: of its epochs.
        stage: number of the stage, from 0.
        last: the stage's last epoch, from 0.
    """

    def __init__(self, keeper: Keeper, loop: TrainingState, clock: EpochClock, stage: int, last: int) -> None:
        super().__init__()
        self.keeper, self.loop, self.clock, self.stage, self.last = keeper, loop, clock, stage, last
        self.feed, self.steps = clock.feed, len(clock.batches)
        self.logs: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Puts the running sums back, when the epoch is resumed."""
        self.epoch = epoch
        if 0 < self.feed.start < self.steps:
            self.keeper.put_back_sums(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves within the epoch, and stops there."""
        done = min(self.feed.start + batch + 1, self.steps)
        self.logs = logs
        if self.loop.stop.asked:
            self._pause(done)
        elif done < self.steps and self.keeper.is_due(after_epoch=False):
            self._save(done)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops while the epoch's validation is under way: that is made anew."""
        if self.loop.stop.asked:
            self._pause(self.steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves between two epochs, and always after the last."""
        ended = bool(self.model.stop_training) and not self.loop.stop.asked
        place = Place(self.stage, self.loop.first, epoch + 1, ended=ended)
        if ended or epoch == self.last or self.loop.stop.asked or self.keeper.is_due(after_epoch=True):
            self.keeper.save(self.loop, self.model, place)
        if self.loop.stop.asked:
            raise Paused

    def _pause(self, done: int) -> None:
        means = self.logs if done == self.steps else {}
        self._save(done, {name: float(value) for name, value in means.items()})
        raise Paused

    def _save(self, done: int, logs: dict[str, float] | None = None) -> None:
        seconds = self.clock.ended - self.clock.began
        place = Place(self.stage, self.loop.first, self.epoch, done, logs=logs or {}, seconds=seconds)
        self.keeper.save(self.loop, self.model, place)


def _variables(model: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and variables of the model and its optimizer."""
    for group, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for at, variable in enumerate(variables):
            yield f"{group}/{at:04}", variable


def _sums(model: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and variables of the running sums."""
    for at, variable in enumerate(model.metrics_variables):
        yield f"sums/{at:04}", variable


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _assign(variable: Any, value: NDArray[Any] | None, name: str) -> None:
    if value is None or value.shape != tuple(variable.shape):
        raise RunError(
            "The checkpoint does not belong to this model",
            received=f"{name}: {'absent' if value is None else value.shape}",
            expected=tuple(variable.shape),
        )
    variable.assign(value)
