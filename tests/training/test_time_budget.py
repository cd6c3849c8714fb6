"""Minutes become epochs: about as many as fit, without a trace of the measuring."""

from __future__ import annotations

import time

import numpy as np
import pytest

from striate.config import replace_config
from striate.data.batches import Batches
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import keras, set_seed
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.recipe import Recipe
from striate.training.time_budget import Pace, fine_tuning_within, pace, within

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


def _recipe(digits, **settings):
    return plan(Recipe(**{"architecture": "mlp", "batch": 64, "dropout": 0.3, "seed": 5, **settings}), digits[0].images)


def _set_up(digits, recipe):
    set_seed(0)
    model = build_model(ARCHITECTURES[recipe.architecture], digits[0].pixels.shape[1:], 10, dropout=recipe.dropout)
    batches = Batches(digits[0].pixels, digits[0].images.labels, 10, recipe.batch, shuffle_seed=1)
    return model, batches, Batches(digits[1].pixels, digits[1].images.labels, 10, 256)


def _state(model):
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in model.variables]


@pytest.mark.backend
def test_a_time_too_short_for_one_epoch_gives_a_part_of_one(digits):
    trained = fit(*digits, _recipe(digits, minutes=1e-4))
    assert (trained.recipe.epochs, trained.recipe.minutes) == (1, None)
    assert trained.recipe.steps_per_epoch == 1
    assert len(trained.history.epochs) == 1
    assert trained.history.epochs[0].images_per_second > 0


@pytest.mark.backend
def test_measuring_leaves_weights_and_random_numbers_as_they_were(digits):
    recipe = _recipe(digits, architecture="cnn")
    model, batches, held_out = _set_up(digits, recipe)
    before = _state(model)
    pace(5.0, model, batches, held_out, recipe, 1e-2, NO_PROGRESS)
    for old, new in zip(before, _state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert batches.max_steps is None
    assert len(held_out.pixels) == len(digits[1].pixels)


@pytest.mark.backend
def test_the_planned_recipe_repeats_the_training(digits):
    first = fit(*digits, _recipe(digits, minutes=1e-4))
    second = fit(*digits, first.recipe)
    assert second.recipe == first.recipe
    for one, two in zip(first.classifier.model.get_weights(), second.classifier.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


class _Say(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


@pytest.fixture
def slow(monkeypatch):
    """A training of 100 steps of 0.1 s, 2 s of validation, 3 s of compiling, measured in 5 s."""

    def measured(*args):
        return Pace(step=0.1, between=2.0, compiling=3.0, measuring=5.0)

    monkeypatch.setattr("striate.training.time_budget.pace", measured)


@pytest.mark.parametrize(
    ("seconds", "epochs", "steps"),
    [(20.5, 1, None), (19.5, 1, 95), (128.5, 10, None), (11.0, 1, 10), (9.0, 1, 1), (1.0, 1, 1)],
)
def test_what_is_left_after_measuring_compiling_and_validation_is_divided(digits, slow, seconds, epochs, steps):
    recipe = _recipe(digits, minutes=seconds / 60, batch=12)
    model, batches, held_out = _set_up(digits, recipe)
    assert len(batches) > 100
    batches.max_steps = 100
    said = _Say()
    planned = within(seconds / 60, model, batches, held_out, recipe, said)
    assert planned == replace_config(recipe, minutes=None, epochs=epochs, steps_per_epoch=steps)
    assert len(said.lines) == 1 and f"{seconds / 60:g} minutes are planned" in said.lines[0]


@pytest.mark.parametrize(("seconds", "epochs"), [(500.0, 4), (36.0, 2), (23.5, 1), (20.0, 0), (-3.0, 0)])
def test_fine_tuning_gets_no_more_epochs_than_asked_for_and_than_fit(digits, slow, seconds, epochs):
    recipe = _recipe(digits, batch=12)
    model, batches, held_out = _set_up(digits, recipe)
    batches.max_steps = 100
    asked = replace_config(recipe, fine_tune=4, fine_tune_rate=1e-3, minutes=9.0)
    said = _Say()
    planned = fine_tuning_within(seconds, model, batches, held_out, asked, said)
    assert planned == replace_config(asked, minutes=None, fine_tune=epochs)
    assert said.lines == ([] if epochs == 4 else [f"{epochs} of 4 epochs of fine-tuning fit the time."])


def test_measuring_ends_when_its_share_of_the_time_is_gone(digits, monkeypatch):
    """A step of a deep model may take seconds; the time must not be spent on finding that out."""
    recipe = _recipe(digits, batch=2)
    model, batches, held_out = _set_up(digits, recipe)
    real, drawn = Batches.__getitem__, []

    def slowly(self, index):
        if self is batches:
            drawn.append(index)
            time.sleep(0.02)
        return real(self, index)

    monkeypatch.setattr(Batches, "__getitem__", slowly)
    pace(0.4, model, batches, held_out, recipe, 1e-3, NO_PROGRESS)
    assert len(drawn) <= 40
