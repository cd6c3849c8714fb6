"""Splits + recipe → classifier + history, through Keras' own fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.backend import keras, set_seed
from striate.classifier import Classifier
from striate.errors import TrainingError
from striate.history import Epoch, History
from striate.images.augment import Augment
from striate.images.batches import Batches
from striate.images.cache import Decoded
from striate.models.architecture import Architecture, build
from striate.models.architectures import architecture_named
from striate.progress import SILENT, Progress
from striate.signals import on_first_signal
from striate.training.callbacks import EpochClock, KeepBest, StopWhenAsked
from striate.training.plan import preprocessing_of
from striate.training.recipe import Recipe

VALIDATION_BATCH = 256  # pictures; no gradients are kept, so more than while training


@dataclass(frozen=True, eq=False)
class Trained:
    """A training's outcome.

    Attributes:
        classifier: with the kept epoch's weights.
        history: every epoch, and which was kept.
        interrupted: whether a signal ended it before its time.
    """

    classifier: Classifier
    history: History
    interrupted: bool


def fit(
    train: Decoded,
    validation: Decoded,
    recipe: Recipe,
    *,
    architecture: Architecture | None = None,
    progress: Progress = SILENT,
    record: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Returns a classifier trained as the recipe says.

    Args:
        train: decoded training pictures.
        validation: decoded pictures to choose by.
        recipe: a planned recipe (see plan.plan).
        architecture: the network, when it is not the row of ARCHITECTURES that the recipe names.
        progress: shows steps and epochs.
        record: called with each finished epoch, as it happens.

    Raises:
        TrainingError: the loss was never finite.
    """
    assert recipe.epochs and recipe.batch and recipe.architecture  # noqa: S101  (plan() filled them)
    assert isinstance(recipe.augment, Augment)  # noqa: S101
    classes = train.images.classes
    network = architecture or architecture_named(recipe.architecture)
    set_seed(recipe.seed)
    policy = keras.dtype_policies.DTypePolicy(recipe.precision)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build(network, train.pixels.shape[1:], len(classes), dropout=recipe.dropout, seed=recipe.seed)
    finally:
        keras.config.set_dtype_policy(before)

    batches = Batches(
        train.pixels,
        train.images.labels,
        len(classes),
        recipe.batch,
        shuffle_seed=recipe.seed,
        augment=recipe.augment,
    )
    held_out = Batches(validation.pixels, validation.images.labels, len(classes), VALIDATION_BATCH)
    model.compile(
        optimizer=make_optimizer(recipe, steps=len(batches) * recipe.epochs),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution(len(batches)),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    rows: list[Epoch] = []

    def keep(row: Epoch) -> None:
        rows.append(row)
        record(row)

    clock = EpochClock(batches, recipe.epochs, progress, keep)
    best, stop = KeepBest(recipe.patience), StopWhenAsked(progress)
    with on_first_signal(stop.ask), progress.task("training", len(batches) * recipe.epochs, "steps"):
        model.fit(
            batches,
            epochs=recipe.epochs,
            validation_data=held_out,
            callbacks=[clock, best, stop],
            shuffle=False,
            verbose=0,
        )

    last_is_finite = bool(rows) and math.isfinite(rows[-1].loss) and math.isfinite(rows[-1].val_loss)
    if not best.best_epoch:
        raise TrainingError(
            "The training never had a finite loss",
            received=f"learning rate {recipe.learning_rate:g}, loss {rows[0].loss if rows else 'unknown'}",
            hint=f"--lr {recipe.learning_rate / 10:g}",
        )
    kept = len(rows) if recipe.keep == "last" and last_is_finite else best.best_epoch
    if kept == best.best_epoch:
        best.restore()
    classifier = Classifier(model, classes, preprocessing_of(recipe), architecture=network.name)
    return Trained(classifier, History(tuple(rows), kept), stop.asked)


def make_optimizer(recipe: Recipe, steps: int) -> Any:
    """Returns the recipe's Keras optimizer, its rate following the recipe's schedule over `steps` steps."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = round(steps * recipe.warmup)
        rate = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate / 25 if warmup else recipe.learning_rate,
            max(1, steps - warmup),
            warmup_target=recipe.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay or None)


def steps_per_execution(steps: int) -> int:
    """Returns how many steps Keras runs per call: several on TensorFlow, where a call costs about a millisecond."""
    return max(1, min(10, steps)) if keras.backend.backend() == "tensorflow" else 1
