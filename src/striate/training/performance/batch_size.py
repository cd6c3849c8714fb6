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
from striate.training.build import build_models
from striate.training.data_loader import PrefetchDataset
from striate.training.epoch_loop import EpochRunner
from striate.training.loop import compiled, explained
from striate.training.optimizers import make_optimizer
from striate.training.performance.batch_norm import use_fused_batch_norm
from striate.training.recipe import Recipe
from striate.training.resources import footprint

MIN_TRAIN_BATCH_SIZE, MAX_TRAIN_BATCH_SIZE = 16, 4096
STEPS_PER_ROUND, MIN_TIMED_SECONDS, MAX_TIMED_STEPS = 4, 0.4, 40  # steps timed at least, seconds of them, steps at most
MIN_SPEEDUP = 1.05  # a larger batch must be faster by so much, since it makes fewer steps of an epoch
MIN_STEPS_PER_EPOCH = 10  # an epoch; larger batches than that leaves are not tried


@dataclass(frozen=True)
class BatchTiming:
    """How fast a batch was: images a second."""

    batch_size: int
    images_per_second: float


def tune_batch_size(
    recipe: Recipe, train: DecodedSet, architecture: Architecture, progress: Progress, *, keep_learning_rate: bool
) -> Recipe:
    """Returns the recipe with the batch that is learned from fastest, of those that the memory holds, and a learning
    rate that suits it: it grows with the batch for SGD (Goyal et al. 2017, section 2.1), and with its square root for
    Adam (Malladi et al. 2022, section 4).

    Args:
        recipe: planned, with the usual batch.
        train: the training images.
        architecture: to be trained.
        progress: told what was measured.
        keep_learning_rate: whether the learning rate was asked for, and so stays.

    Raises:
        ConfigError: only the last layer is to learn, which takes seconds with any batch.
        TrainingError: not even the smallest batch fits the memory.
    """
    if recipe.weights is not None:
        raise ConfigError("Pretrained weights are not trained whole; there is no fastest batch", hint="--batch 64")
    assert recipe.batch  # noqa: S101  (plan() filled it)
    timed: list[BatchTiming] = []
    batch, most = (
        MIN_TRAIN_BATCH_SIZE,
        max(MIN_TRAIN_BATCH_SIZE, min(MAX_TRAIN_BATCH_SIZE, len(train.images) // MIN_STEPS_PER_EPOCH)),
    )
    with progress.track("measuring batches", int(math.log2(most / MIN_TRAIN_BATCH_SIZE)) + 1, "sizes") as task:
        while batch <= most:
            try:
                timed.append(
                    BatchTiming(
                        batch, _measure_throughput(replace_config(recipe, batch=batch), train, architecture, progress)
                    )
                )
            except TrainingError:  # the memory does not suffice
                if not timed:
                    raise
                break
            task.advance(note=f"{batch}: {timed[-1].images_per_second:,.0f} images/s")
            batch *= 2
    best = timed[0]
    for one in timed[1:]:
        if one.images_per_second > MIN_SPEEDUP * best.images_per_second:
            best = one
    ratio = best.batch_size / recipe.batch
    rate = recipe.learning_rate * (
        1 if keep_learning_rate else ratio if recipe.optimizer == "sgd" else math.sqrt(ratio)
    )
    told = "; ".join(f"{one.batch_size}: {one.images_per_second:,.0f}" for one in timed)
    progress.log(f"Batches of {best.batch_size}, learning rate {rate:.3g}. Images a second with {told}.")
    return replace_config(recipe, batch=best.batch_size, learning_rate=float(f"{rate:.3g}"))


def _measure_throughput(recipe: Recipe, train: DecodedSet, architecture: Architecture, progress: Progress) -> float:
    """Returns images a second.

    Raises:
        TrainingError: the memory does not suffice.
    """
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101  (plan() filled them)
    quiet, classes = Progress(), len(train.images.classes)
    with explained(recipe):
        _, model, recipe = build_models(
            architecture, train.pixels.shape[1:], classes, recipe, quiet, image_count=len(train.images)
        )
        if list_devices() == ["cpu"] and measure_memory() and footprint(model, recipe) > measure_memory():
            raise MemoryError  # a processor's system would kill the process, without a word
        return _time_training(model, recipe, train, classes)


def _time_training(model: Any, recipe: Recipe, train: DecodedSet, num_classes: int) -> float:
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101
    batches = Batches(
        train.pixels,
        train.images.labels,
        num_classes,
        recipe.batch,
        shuffle_seed=recipe.seed,
        augment=recipe.augment,
        max_steps=STEPS_PER_ROUND,
    )
    compiled(model, make_optimizer(recipe, recipe.learning_rate, steps=STEPS_PER_ROUND), recipe.label_smoothing)
    feed, run = PrefetchDataset(batches), EpochRunner(model)
    seconds: list[float] = []
    with use_fused_batch_norm(model):
        while len(seconds) < 2 or (
            sum(seconds[1:]) < MIN_TIMED_SECONDS and len(seconds) * STEPS_PER_ROUND < MAX_TIMED_STEPS
        ):
            began = time.perf_counter()
            run.run(feed, None)
            seconds.append(time.perf_counter() - began)
    return len(batches) * recipe.batch / min(seconds[1:])  # the first one compiled
