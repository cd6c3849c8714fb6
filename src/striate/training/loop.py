"""A training's epochs, in one stage or several."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from striate.config import to_json
from striate.data.batches import Batches
from striate.errors import TrainingError
from striate.progress import Progress
from striate.system.backend import keras
from striate.training.callbacks import Enough, EpochClock, KeepBest, StopWhenAsked, StopWhenEnough
from striate.training.checkpointing import Keeper, Place, SaveState
from striate.training.data_loader import PrefetchDataset
from striate.training.distributed.strategy import DistributedStrategy
from striate.training.epoch_loop import EpochRunner
from striate.training.history import EpochMetrics, History
from striate.training.loss_monitor import LossTrace, WatchLoss
from striate.training.performance.batch_norm import use_fused_batch_norm
from striate.training.recipe import Recipe

Watch = Callable[[Any, EpochMetrics], None]
"""Looks at a model after an epoch."""

WILL_FINISH = "Stopping after this step; what has been learned so far is kept."
WILL_LEAVE = "Stopping after this step, with a checkpoint to go on from."

OUT_OF_MEMORY = (
    *("out of memory", "resource_exhausted", "resourceexhausted", "failed to allocate memory"),
    *("oom when allocating", "can't allocate memory", "bad_alloc"),
)
"""What the backends say when they cannot allocate, in lower case."""


class Loop:
    """The epochs of one training.

    Args:
        recipe: planned (see plan.plan).
        epochs: how many there will be in all stages.
        progress: shows steps and epochs.
        record: called with each finished epoch, as it happens.
        trace: filled with how the loss began and where it broke.
        watch: called with the whole model as it is and its figures after each epoch.
        keeper: saves the state now and then, and gives that of an earlier attempt.
        enough: asked after each epoch whether the training, in all its stages, is to end with it.
        parallel: the processes that train together; None for this one alone.
    """

    def __init__(
        self,
        recipe: Recipe,
        epochs: int,
        *,
        progress: Progress,
        record: Callable[[EpochMetrics], None],
        trace: LossTrace | None = None,
        watch: Watch | None = None,
        keeper: Keeper | None = None,
        enough: Enough | None = None,
        parallel: DistributedStrategy | None = None,
    ) -> None:
        self.parallel = parallel
        self.recipe, self.epochs, self.progress, self.record = recipe, epochs, progress, record
        self.trace = trace or LossTrace()
        self.watch = watch
        self.whole: Callable[[], Any] = lambda: None
        self.rows: list[EpochMetrics] = []
        self.first = 0  # epochs before the stage at work
        self.best = KeepBest(recipe.patience)
        self.stop = StopWhenAsked(progress, WILL_FINISH if keeper is None else WILL_LEAVE)
        self.end = StopWhenEnough(enough, self.rows)
        self.keeper = keeper

    def learn(
        self,
        model: Any,
        batches: Batches,
        held_out: Batches,
        *,
        epochs: int,
        optimizer: Any,
        stage: int = 0,
        name: str = "training",
        whole: Callable[[], Any] | None = None,
    ) -> None:
        """Trains the model for `epochs` more epochs, or until it is asked to stop; the best epoch's weights are
        remembered in `best`. Who watches is shown the model, or what `whole` returns where it is part of another.
        With a keeper that has found this stage's checkpoint, the training goes on from there.

        Raises:
            TrainingError: the machine's memory does not suffice.
            Paused: it was asked to stop, and a keeper has kept its state.
        """
        network, self.whole = model, whole or (lambda: network)
        if self.parallel is not None:
            model = self.parallel.wrap_model(network, batches.batch_size)
        compiled(model, optimizer, self.recipe.label_smoothing)
        place, run = self._begin_stage(model, stage), EpochRunner(model)
        last = self.first + epochs
        done = (place.epoch - self.first) * len(batches) + place.step
        with (
            self.progress.track(name, len(batches) * epochs, "steps"),
            explained(self.recipe),
            use_fused_batch_norm(model),
        ):
            self.progress.advance(done)
            if place.ended or self.stop.asked or self.end.is_enough:
                return
            validation = None if self.parallel is None else self._validation(network, held_out)
            if place.step:  # Keras counts an epoch's steps once for all epochs: one that is resumed has fewer
                self._fit(run, batches, held_out, stage, last, place, place.epoch + 1, validation)
                place = Place(stage, self.first, place.epoch + 1, ended=bool(model.stop_training))
            if not place.ended and place.epoch < last:
                self._fit(run, batches, held_out, stage, last, place, last, validation)

    def _validation(self, network: Any, held_out: Batches) -> Any:
        from striate.training.distributed.strategy import DistributedValidation

        assert self.parallel is not None  # noqa: S101
        return DistributedValidation(self.parallel, network, held_out, self.recipe.label_smoothing)

    def _begin_stage(self, model: Any, stage: int) -> Place:
        """Returns where the stage is to begin, the model and what is remembered put into that state."""
        if self.keeper is not None and self.keeper.found is not None and self.keeper.place.stage == stage:
            self.keeper.put_back(self, model)
            self.first = self.keeper.place.first
            return self.keeper.place
        self.first = self.best.patient_from = len(self.rows)
        place = Place(stage, self.first, self.first)
        if self.keeper is not None:  # what was measured to plan the training is kept with it
            self.keeper.save(self, model, place)
        return place

    def _fit(
        self,
        run: EpochRunner,
        batches: Batches,
        held_out: Batches,
        stage: int,
        last: int,
        place: Place,
        until: int,
        validation: Any,
    ) -> None:
        """Trains from a place to the end of epoch number `until`; `validation`, if any, measures in Keras' stead."""
        feed = PrefetchDataset(batches, place.step)
        clock = EpochClock(feed, self.epochs, self.progress, self._keep, place.seconds)
        callbacks = [
            clock,
            self.best,
            self.end,
            WatchLoss(self.trace, feed),
            self.stop if self.keeper is None else SaveState(self.keeper, self, clock, stage, last - 1),
        ]
        if validation is not None:
            callbacks.insert(0, validation)
        if place.step == len(batches):
            self._end_epoch(run, None if validation is not None else held_out, callbacks, place)
            return
        measured = None if validation is not None else held_out
        run.run(feed, measured, initial_epoch=place.epoch, stop_epoch=until, callbacks=callbacks)

    def _end_epoch(self, run: EpochRunner, held_out: Batches | None, callbacks: list[Any], place: Place) -> None:
        """Does what is left of an epoch whose steps are all done: its validation."""
        listed = keras.callbacks.CallbackList(callbacks, model=run.model)
        run.model.stop_training = False
        listed.on_epoch_begin(place.epoch)
        found = {} if held_out is None else run.evaluate(held_out)
        listed.on_epoch_end(place.epoch, {**place.logs, **{f"val_{name}": value for name, value in found.items()}})

    def state_dict(self, place: Place) -> tuple[dict[str, Any], Sequence[NDArray[Any]]]:
        """Returns what a checkpoint at a place keeps of this: plain values, and the best epoch's weights."""
        is_now = bool(self.best.best_epoch) and self.best.best_epoch == place.epoch and not place.step
        best, weights = self.best.state_dict(is_now=is_now)
        values = {
            "recipe": to_json(self.recipe),
            "rows": [asdict(row) for row in self.rows],
            "best": best,
            "trace": self.trace.state_dict(),
        }
        return values, weights

    def load_state_dict(self, values: dict[str, Any], weights: Sequence[NDArray[Any]], model: Any) -> None:
        """Restores what `state_dict` returned; `model` holds the checkpoint's variables already."""
        self.best.load_state_dict(values["best"], list(weights), model)
        self.rows[:] = [EpochMetrics(**row) for row in values["rows"]]
        self.trace.load_state_dict(values["trace"])

    def history(self) -> History:
        """Returns every epoch and which is kept: the best, or the last if the recipe says so and it is finite.

        Raises:
            TrainingError: the loss was never finite.
        """
        if not self.best.best_epoch:
            raise TrainingError(
                "The training never had a finite loss",
                received=f"learning rate {self.recipe.learning_rate:g}, "
                f"loss {self.rows[0].loss if self.rows else 'unknown'}",
                hint=f"--lr {self.recipe.learning_rate / 10:g}",
            )
        is_finite = math.isfinite(self.rows[-1].loss) and math.isfinite(self.rows[-1].val_loss)
        last = self.recipe.keep == "last" and is_finite
        return History(tuple(self.rows), len(self.rows) if last else self.best.best_epoch)

    def _keep(self, row: EpochMetrics) -> None:
        self.rows.append(row)
        self.record(row)
        if self.watch is not None:
            self.watch(self.whole(), row)


def compiled(model: Any, optimizer: Any, label_smoothing: float) -> None:
    """Makes the model ready to learn. The optimizer's variables are made here: for one that is made while a step is
    traced, TensorFlow traces the step again.
    """
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    model.optimizer.build(model.trainable_variables)


@contextlib.contextmanager
def explained(recipe: Recipe) -> Iterator[None]:
    """Turns a backend's cry for memory into a TrainingError that says what to lower."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__} {error}".lower()
        if not isinstance(error, MemoryError) and not any(words in said for words in OUT_OF_MEMORY):
            raise
        raise out_of_memory(recipe) from error


def out_of_memory(recipe: Recipe, received: str | None = None) -> TrainingError:
    """Returns the error that says what to lower."""
    batch, side = recipe.batch or 32, max(recipe.height or 32, recipe.width or 32)
    return TrainingError(
        "The machine's memory does not suffice for this training",
        received=received or f"{recipe.architecture}, {recipe.height}×{recipe.width} pixels, batches of {batch}",
        hint=f"--batch {max(1, batch // 2)}, --size {max(8, side // 2)}, or a smaller model (striate models)",
    )
