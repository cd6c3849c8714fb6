"""Splits + recipe → classifier + history."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.classifier import Classifier
from striate.config import replace_config
from striate.data.augment import Augment
from striate.data.batches import Batches
from striate.data.decoded_cache import DecodedSet
from striate.errors import TrainingError
from striate.models.architecture import Architecture
from striate.models.registry import get_architecture
from striate.progress import NO_PROGRESS, Progress
from striate.system.signals import on_first_signal
from striate.training.auto_config import preprocessing_of
from striate.training.build import build_models
from striate.training.callbacks import Enough
from striate.training.checkpointing import Keeper, Paused
from striate.training.distributed.strategy import DistributedStrategy
from striate.training.history import EpochMetrics, History
from striate.training.loop import Loop, Watch
from striate.training.loss_monitor import LossTrace
from striate.training.optimizers import make_optimizer
from striate.training.performance.whitening import init_whitening_layer
from striate.training.recipe import Recipe
from striate.training.time_budget import fine_tuning_within, within
from striate.training.transfer import (
    LAYER_GROUP_COUNT,
    VALIDATION_BATCH_SIZE,
    build_feature_batches,
    fine_tune,
    split_layer_groups,
    train_head,
    unfreeze_groups,
)

NAMED = 3  # images that a message names


@dataclass(frozen=True, eq=False)
class Trained:
    """A training's outcome.

    Attributes:
        classifier: with the kept epoch's weights.
        history: every epoch, and which was kept.
        interrupted: whether a signal ended it before its time.
        recipe: what was done: as asked for, a budget of minutes turned into epochs.
    """

    classifier: Classifier
    history: History
    interrupted: bool
    recipe: Recipe


class DivergedError(TrainingError):
    """The weights became no numbers; the best epoch's, if there was one, are kept.

    Args:
        trained: what the training had come to before.
        trace: where the loss broke.
        train: the images that were learned from.

    Attributes:
        trained: as given.
    """

    def __init__(self, trained: Trained, trace: LossTrace, train: DecodedSet) -> None:
        self.trained = trained
        rate, broken = trained.recipe.learning_rate, trace.broken
        received = f"learning rate {rate:g}"
        if broken is not None:
            keys = train.images.keys[broken.pictures[:NAMED]].tolist()
            steps = f"step {broken.last}" if broken.first == broken.last else f"steps {broken.first} to {broken.last}"
            more = " …" if len(broken.pictures) > NAMED else ""
            received = f"no number in epoch {broken.epoch}, {steps}, with {', '.join(keys)}{more}; {received}"
        super().__init__(
            f"The training diverged; the best weights before that, epoch {trained.history.best_epoch}'s, are kept",
            received=received,
            hint=f"--lr {rate / 10:g}",
        )


def fit(
    train: DecodedSet,
    validation: DecodedSet,
    recipe: Recipe,
    *,
    architecture: Architecture | None = None,
    progress: Progress = NO_PROGRESS,
    record: Callable[[EpochMetrics], None] = lambda epoch: None,
    trace: LossTrace | None = None,
    watch: Watch | None = None,
    keeper: Keeper | None = None,
    enough: Enough | None = None,
    parallel: DistributedStrategy | None = None,
    finish: bool = False,
) -> Trained:
    """Returns a classifier trained as the recipe says. It has one stage; with pretrained weights three: the last layer,
    some layers more, all of them.

    Args:
        train: decoded training images.
        validation: decoded images to choose by.
        recipe: a planned recipe (see plan.plan).
        architecture: the model, when it is not the row of ARCHITECTURES that the recipe names.
        progress: shows steps and epochs.
        record: called with each finished epoch, as it happens.
        trace: filled with how the loss began and where it ceased to be a number, also when this raises.
        watch: called with the model as it is and its figures after each epoch (see Loop).
        keeper: saves the training's state now and then; the training goes on from what it has found.
        enough: asked after each epoch whether the training is to end with it.
        parallel: the processes that train together, each of which calls this; without pretrained weights.
        finish: learn no more, and make a classifier of what the keeper has found.

    Raises:
        Paused: a signal came, and the keeper has kept the state. Without a keeper the training ends as if it had been
            its last epoch.
        DivergedError: the weights became no numbers after an epoch that was sound.
        TrainingError: the loss was never finite, or the memory does not suffice.
        WeightsError: the pretrained weights are not there or not the model's.
    """
    stage = 0
    if keeper is not None and keeper.found is not None:
        recipe, stage = keeper.recipe(recipe), keeper.place.stage
    if finish:  # the last weights may be those of an epoch that was never measured
        recipe = replace_config(recipe, keep="best")
    assert recipe.architecture  # noqa: S101  (plan() did)
    classes = train.images.classes
    network = architecture or get_architecture(recipe.architecture)
    began = time.perf_counter()
    plain, model, recipe = build_models(
        network, train.pixels.shape[1:], len(classes), recipe, progress, image_count=len(train.images)
    )
    init_whitening_layer(model, train.pixels, recipe.seed)
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101  (plan() filled them)
    batches = Batches(
        train.pixels,
        train.images.labels,
        len(classes),
        recipe.batch,
        shuffle_seed=recipe.seed,
        augment=recipe.augment,
        max_steps=recipe.steps_per_epoch,
        shard=(0, 1) if parallel is None else (parallel.rank, parallel.world_size),
    )
    held_out = Batches(validation.pixels, validation.images.labels, len(classes), VALIDATION_BATCH_SIZE)
    if recipe.minutes is not None and recipe.weights is None:
        recipe = within(recipe.minutes, model, batches, held_out, recipe, progress)
        batches.max_steps = recipe.steps_per_epoch
    assert recipe.epochs  # noqa: S101  (plan() or within() filled it)
    epochs = recipe.epochs + recipe.fine_tune
    loop = Loop(
        recipe,
        epochs,
        progress=progress,
        record=record,
        trace=trace,
        watch=watch,
        keeper=keeper,
        enough=enough,
        parallel=parallel,
    )
    loop.stop.asked = finish
    if recipe.weights is None:
        with on_first_signal(loop.stop.ask):
            optimizer = make_optimizer(recipe, recipe.learning_rate, steps=len(batches) * recipe.epochs)
            loop.learn(model, batches, held_out, epochs=recipe.epochs, optimizer=optimizer)
            if loop.history().best_epoch == loop.best.best_epoch:
                loop.best.restore()
    else:
        seen = build_feature_batches(model, train, validation, recipe, progress=progress) if stage == 0 else None
        with on_first_signal(loop.stop.ask):
            recipe = _transferred(model, seen, batches, held_out, recipe, loop, began, stage)
    if loop.stop.asked and keeper is not None and not finish and loop.trace.lost is None:
        raise Paused
    if model is not plain:  # what is kept computes in float32, on any machine
        plain.set_weights(model.get_weights())
    assert recipe.tta != "auto"  # noqa: S101  (plan() did)
    classifier = Classifier(plain, classes, preprocessing_of(recipe), architecture=network.name, tta=recipe.tta)
    trained = Trained(classifier, loop.history(), loop.stop.asked, recipe)
    if loop.trace.lost is not None:
        raise DivergedError(trained, loop.trace, train)
    return trained


def _transferred(
    model: Any,
    seen: tuple[Batches, Batches] | None,
    batches: Batches,
    held_out: Batches,
    recipe: Recipe,
    loop: Loop,
    began: float,
    stage: int,
) -> Recipe:
    """Trains the last layer, on what the resting ones see, then those below it, from the stage on that a checkpoint was
    found of; returns the recipe as it was done.
    """
    if seen is not None:
        train_head(model, *seen, recipe, loop)
    if recipe.minutes is not None:
        spent = time.perf_counter() - began + (0.0 if loop.keeper is None else loop.keeper.seconds)
        left, recipe = 60 * recipe.minutes - spent, replace_config(recipe, minutes=None)
        if recipe.fine_tune and not (loop.stop.asked or loop.end.is_enough):
            unfreeze_groups(split_layer_groups(model), LAYER_GROUP_COUNT)
            recipe = fine_tuning_within(left, model, batches, held_out, recipe, loop.progress)
            loop.epochs = len(loop.rows) + recipe.fine_tune
        loop.recipe = recipe
    if recipe.fine_tune:
        fine_tune(model, batches, held_out, recipe, loop, stage)
    return recipe
