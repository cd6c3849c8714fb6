"""Splits + recipe → classifier + history."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.backend import keras, set_seed
from striate.classifier import Classifier
from striate.config import replace
from striate.history import Epoch, History
from striate.images.augment import Augment
from striate.images.batches import Batches
from striate.images.cache import Decoded
from striate.models.architecture import Architecture, build
from striate.models.architectures import architecture_named
from striate.models.backbones import find_weights
from striate.models.pretrained import build_pretrained
from striate.progress import SILENT, Progress
from striate.signals import on_first_signal
from striate.training.budget import fine_tuning_within, within
from striate.training.loop import Loop, Watch
from striate.training.loss_trace import LossTrace
from striate.training.optimizers import make_optimizer
from striate.training.plan import preprocessing_of
from striate.training.precision import fastest
from striate.training.recipe import Recipe
from striate.training.transfer import GROUPS, VALIDATION_BATCH, fine_tune, groups_of, learn_head, rest, seen_by, thaw
from striate.training.whitening import whiten


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


def fit(
    train: Decoded,
    validation: Decoded,
    recipe: Recipe,
    *,
    architecture: Architecture | None = None,
    progress: Progress = SILENT,
    record: Callable[[Epoch], None] = lambda epoch: None,
    trace: LossTrace | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Returns a classifier trained as the recipe says.

    Args:
        train: decoded training pictures.
        validation: decoded pictures to choose by.
        recipe: a planned recipe (see plan.plan).
        architecture: the network, when it is not the row of ARCHITECTURES that the recipe names.
        progress: shows steps and epochs.
        record: called with each finished epoch, as it happens.
        trace: filled with how the loss began and where it ceased to be a number, also when this raises.
        watch: called with the model as it is and its figures after each epoch (see Loop).

    Raises:
        TrainingError: the loss was never finite, or the memory does not suffice.
        WeightsError: the pretrained weights are not there or not the network's.
    """
    assert recipe.architecture  # noqa: S101  (plan() did)
    classes = train.images.classes
    network = architecture or architecture_named(recipe.architecture)
    began = time.perf_counter()
    plain = _begun(network, train.pixels.shape[1:], len(classes), recipe, "float32", progress)
    is_resting = recipe.weights is not None and not recipe.fine_tune
    if recipe.precision == "auto":
        recipe = replace(recipe, precision=fastest(plain, progress, is_resting=is_resting))
        set_seed(recipe.seed)  # measuring drew random numbers
    assert recipe.batch and isinstance(recipe.augment, Augment)  # noqa: S101  (plan() filled them)
    model = plain
    if recipe.precision != "float32" and not is_resting:
        model = _begun(network, train.pixels.shape[1:], len(classes), recipe, recipe.precision, progress)
    whiten(model, train.pixels, recipe.seed)
    batches = Batches(
        train.pixels,
        train.images.labels,
        len(classes),
        recipe.batch,
        shuffle_seed=recipe.seed,
        augment=recipe.augment,
        most=recipe.steps_per_epoch,
    )
    held_out = Batches(validation.pixels, validation.images.labels, len(classes), VALIDATION_BATCH)
    if recipe.minutes is not None and recipe.weights is None:
        recipe = within(recipe.minutes, model, batches, held_out, recipe, progress)
        batches.most = recipe.steps_per_epoch
    assert recipe.epochs  # noqa: S101  (plan() or within() filled it)
    seen = None if recipe.weights is None else seen_by(model, train, validation, recipe, progress=progress)
    loop = Loop(recipe, recipe.epochs + recipe.fine_tune, progress=progress, record=record, trace=trace, watch=watch)
    with on_first_signal(loop.stop.ask):
        if seen is None:
            optimizer = make_optimizer(recipe, recipe.learning_rate, steps=len(batches) * recipe.epochs)
            loop.learn(model, batches, held_out, epochs=recipe.epochs, optimizer=optimizer)
            if loop.history().kept == loop.best.best_epoch:
                loop.best.restore()
        else:
            learn_head(model, *seen, recipe, loop)
            if recipe.minutes is not None:
                left = 60 * recipe.minutes - (time.perf_counter() - began)
                recipe = replace(recipe, minutes=None)
                if recipe.fine_tune and not loop.stop.asked:
                    thaw(groups_of(model), GROUPS)
                    recipe = fine_tuning_within(left, model, batches, held_out, recipe, progress)
                    loop.epochs = len(loop.rows) + recipe.fine_tune
            if recipe.fine_tune:
                fine_tune(model, batches, held_out, recipe, loop)
    if model is not plain:  # what is kept computes in float32, on any machine
        plain.set_weights(model.get_weights())
    assert recipe.tta != "auto"  # noqa: S101  (plan() did)
    classifier = Classifier(plain, classes, preprocessing_of(recipe), architecture=network.name, tta=recipe.tta)
    return Trained(classifier, loop.history(), loop.stop.asked, recipe)


def _begun(
    network: Architecture,
    shape: tuple[int, int, int],
    classes: int,
    recipe: Recipe,
    precision: str,
    progress: Progress,
) -> Any:
    """Returns the network as it is before its first step, the same weights whatever the arithmetic."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.DTypePolicy(precision))
    set_seed(recipe.seed)
    try:
        if recipe.weights is None:
            return build(network, shape, classes, dropout=recipe.dropout, seed=recipe.seed)
        weights = find_weights(recipe.weights, network.name, progress=progress)
        rate = network.dropout if recipe.dropout is None else recipe.dropout
        model = build_pretrained(network, shape, classes, weights, dropout=rate, seed=recipe.seed)
        rest(model)
        return model
    finally:
        keras.config.set_dtype_policy(before)
