"""Epochs that fit a time: measured, not guessed."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from striate.config import replace_config
from striate.data.batches import Batches
from striate.progress import Progress
from striate.system.backend import keras
from striate.training.data_loader import PrefetchDataset
from striate.training.epoch_loop import EpochRunner, compute_steps_per_call
from striate.training.loop import compiled, explained
from striate.training.optimizers import make_optimizer
from striate.training.performance.batch_norm import use_fused_batch_norm
from striate.training.recipe import Recipe

CALLS = 3  # into the backend, in an epoch that is timed; each makes several steps on TensorFlow
LOOKS = 4  # batches to validate on
LEAST, MOST = 3, 40  # epochs timed
ENOUGH = 1.5  # seconds of them
SHARE = 0.25  # of the time that is to be planned: measuring ends with the call that reaches it


@dataclass
class _Round:
    """One epoch that is timed: when it began, each call's end and the steps done by then, and its own end."""

    began: float
    calls: list[tuple[float, int]] = field(default_factory=list)
    ended: float = 0.0


class _Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes what happens when, and ends the training when enough is known."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.deadline = time.perf_counter() + seconds
        self.rounds: list[_Round] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.rounds.append(_Round(time.perf_counter()))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self.rounds[-1].calls.append((now, min(batch + 1, self.params["steps"])))
        self.model.stop_training = now > self.deadline

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now = self.rounds[-1].ended = time.perf_counter()
        is_enough = len(self.rounds) > LEAST and now > self.rounds[0].ended + ENOUGH
        self.model.stop_training = is_enough or now > self.deadline


@dataclass(frozen=True)
class Pace:
    """How long a training takes, in seconds.

    Attributes:
        step: one step.
        between: what an epoch takes beside its steps: validation above all.
        compiling: before the first step of each stage.
        measuring: finding this out.
    """

    step: float
    between: float
    compiling: float
    measuring: float


def within(
    minutes: float, model: Any, batches: Batches, held_out: Batches, recipe: Recipe, progress: Progress
) -> Recipe:
    """Returns the recipe with as many epochs as fit the time, validation included, or a part of one epoch
    (`steps_per_epoch`) when not even one does. What measuring takes counts towards the time.
    """
    found = pace(60 * minutes, model, batches, held_out, recipe, recipe.learning_rate, progress)
    left = max(0.0, 60 * minutes - found.measuring - found.compiling)
    epoch = found.step * len(batches) + found.between
    epochs = int(left / epoch)
    steps = None if epochs else min(len(batches), max(1, int((left - found.between) / found.step)))
    planned = replace_config(recipe, minutes=None, epochs=max(1, epochs), steps_per_epoch=steps)
    length = f"1 epoch of {steps:,} of {len(batches):,} steps" if steps else f"{epochs} epochs of {epoch:.1f} s each"
    progress.log(f"{minutes:g} minutes are planned as {length}.")
    return planned


def fine_tuning_within(
    seconds: float, model: Any, batches: Batches, held_out: Batches, recipe: Recipe, progress: Progress
) -> Recipe:
    """Returns the recipe with no more epochs of fine-tuning than fit the time, none if not one does. All layers of the
    model are to learn, as in the last stage, the slowest.
    """
    assert recipe.fine_tune_rate  # noqa: S101  (plan() filled it)
    epochs = 0
    if seconds > 0:
        found = pace(seconds, model, batches, held_out, recipe, recipe.fine_tune_rate, progress)
        left = max(0.0, seconds - found.measuring - 2 * found.compiling)
        epochs = int(left / (found.step * len(batches) + found.between))
    if epochs < recipe.fine_tune:
        progress.log(f"{epochs} of {recipe.fine_tune} epochs of fine-tuning fit the time.")
    return replace_config(recipe, minutes=None, fine_tune=min(recipe.fine_tune, epochs))


def pace(
    seconds: float, model: Any, batches: Batches, held_out: Batches, recipe: Recipe, rate: float, progress: Progress
) -> Pace:
    """Returns how long the training takes, of which `seconds` are to be planned. Some steps are made for that; what
    they change, weights and dropout's random numbers, is put back.
    """
    began = time.perf_counter()
    before = [(variable, keras.ops.convert_to_numpy(variable.value)) for variable in model.variables]
    total, most = len(batches), batches.max_steps
    batches.max_steps = min(total, CALLS * compute_steps_per_call(batches))
    compiled(model, make_optimizer(recipe, rate, steps=total), recipe.label_smoothing)
    watch, feed, some = _Stopwatch(SHARE * seconds), PrefetchDataset(batches), _first(held_out, LOOKS)
    with progress.track("measuring the speed", 1, "rounds"), explained(recipe), use_fused_batch_norm(model):
        EpochRunner(model).run(feed, some, stop_epoch=1 + MOST, callbacks=[watch])
    batches.max_steps = most
    for variable, value in before:
        variable.assign(value)
    timed = watch.rounds[1:] or watch.rounds  # the first one compiles
    step = median(_step(one) for one in timed)
    fraction = len(held_out) / len(some)
    between = median(_before(one, step) + fraction * (one.ended - one.calls[-1][0]) for one in timed)
    first, usual = watch.rounds[0], timed[-1]
    compiling = max(0.0, (first.ended - began) - (usual.ended - usual.began)) if len(watch.rounds) > 1 else 0.0
    return Pace(step, between, compiling, time.perf_counter() - began)


def _step(timed: _Round) -> float:
    """Returns the seconds of one step: between calls, or of the whole epoch if a single call made it."""
    (since, done), (until, reached) = timed.calls[0], timed.calls[-1]
    return (until - since) / (reached - done) if reached > done else (until - timed.began) / reached


def _before(timed: _Round, step: float) -> float:
    """Returns the seconds that pass before an epoch's first step."""
    end, steps = timed.calls[0]
    return max(0.0, end - timed.began - step * steps)


def _first(held_out: Batches, number: int) -> Batches:
    """Returns the first `number` batches at most."""
    part = copy.copy(held_out)
    part.pixels = held_out.pixels[: number * held_out.batch_size]
    part.targets = held_out.targets[: number * held_out.batch_size]
    part.set_epoch(0)
    return part
