"""The batch that a model learns from fastest on this machine: measured, not guessed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from striate.config import replace_config
from striate.data.augment import Augment
from striate.data.batches import Batches
from striate.data.decoded_cache import DecodedSet
from striate.errors import ConfigError, TrainingError
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.system.backend import list_devices
from striate.system.hardware import measure_memory
from striate.training.build import networks
from striate.training.data_loader import Feed
from striate.training.epoch_loop import Epochs
from striate.training.loop import compiled, explained
from striate.training.optimizers import make_optimizer
from striate.training.performance.batch_norm import fused_batch_norm
from striate.training.recipe import Recipe
from striate.training.resources import footprint

SMALLEST, LARGEST = 16, 4096
STEPS, ENOUGH, MOST = 4, 0.4, 40  # steps timed at least, seconds of them, steps at most
NEAR = 1.05  # a larger batch must be faster by so much, since it makes fewer steps of an epoch
LEAST_STEPS = 10  # an epoch; larger batches than that leaves are not tried


@dataclass(frozen=True)
class Timed:
    """How fast a batch was: images a second."""

    batch: int
    pace: float


def with_fastest_batch(
    recipe: Recipe, train: DecodedSet, network: Architecture, progress: Progress, *, keeps_rate: bool
) -> Recipe:
    """Returns the recipe with the batch that is learned from fastest, of those that the memory holds, and a learning
    rate that suits it: it grows with the batch for SGD (Goyal et al. 2017, section 2.1), and with its square root for
    Adam (Malladi et al. 2022, section 4).

    Args:
        recipe: planned, with the usual batch.
        train: the training images.
        network: to be trained.
        progress: told what was measured.
        keeps_rate: whether the learning rate was asked for, and so stays.

    Raises:
        ConfigError: only the last layer is to learn, which takes seconds with any batch.
        TrainingError: not even the smallest batch fits the memory.
    """
    if recipe.weights is not None:
        raise ConfigError("Pretrained weights are not trained whole; there is no fastest batch", hint="--batch 64")
    assert recipe.batch  # noqa: S101  (plan() filled it)
    timed: list[Timed] = []
    batch, most = SMALLEST, max(SMALLEST, min(LARGEST, len(train.images) // LEAST_STEPS))
    with progress.track("measuring batches", int(math.log2(most / SMALLEST)) + 1, "sizes") as task:
        while batch <= most:
            try:
                timed.append(Timed(batch, _pace(replace_config(recipe, batch=batch), train, network, progress)))
            except TrainingError:  # the memory does not suffice
                if not timed:
                    raise
                break
            task.advance(note=f"{batch}: {timed[-1].pace:,.0f} images/s")
            batch *= 2
    best = timed[0]
    for one in timed[1:]:
        if one.pace > NEAR * best.pace:
            best = one
    ratio = best.batch / recipe.batch
    rate = recipe.learning_rate * (1 if keeps_rate else ratio if recipe.optimizer == "sgd" else math.sqrt(ratio))
    told = "; ".join(f"{one.batch}: {one.pace:,.0f}" for one in timed)
    progress.log(f"Batches of {best.batch}, learning rate {rate:.3g}. Images a second with {told}.")
    return replace_config(recipe, batch=best.batch, learning_rate=float(f"{rate:.3g}"))


def _pace(recipe: Recipe, train: DecodedSet, network: Architecture, progress: Progress) -> float:
    """Returns images a second.

    Raises:
        TrainingError: the memory does not suffice.
    """
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101  (plan() filled them)
    quiet, classes = Progress(), len(train.images.classes)
    with explained(recipe):
        _, model, recipe = networks(network, train.pixels.shape[1:], classes, recipe, quiet, images=len(train.images))
        if list_devices() == ["cpu"] and measure_memory() and footprint(model, recipe) > measure_memory():
            raise MemoryError  # a processor's system would kill the process, without a word
        return _timed(model, recipe, train, classes)


def _timed(model: Any, recipe: Recipe, train: DecodedSet, classes: int) -> float:
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101
    batches = Batches(
        train.pixels,
        train.images.labels,
        classes,
        recipe.batch,
        shuffle_seed=recipe.seed,
        augment=recipe.augment,
        max_steps=STEPS,
    )
    compiled(model, make_optimizer(recipe, recipe.learning_rate, steps=STEPS), recipe.label_smoothing)
    feed, run = Feed(batches), Epochs(model)
    seconds: list[float] = []
    with fused_batch_norm(model):
        while len(seconds) < 2 or (sum(seconds[1:]) < ENOUGH and len(seconds) * STEPS < MOST):
            began = time.perf_counter()
            run.run(feed, None)
            seconds.append(time.perf_counter() - began)
    return len(batches) * recipe.batch / min(seconds[1:])  # the first one compiled
