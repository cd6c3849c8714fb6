"""`--batch auto`: measured, within the memory, and with a learning rate that suits the batch."""

from __future__ import annotations

import math

import pytest

from striate.errors import ConfigError, TrainingError
from striate.models.registry import ARCHITECTURES
from striate.progress import NO_PROGRESS, Progress
from striate.training.auto_config import plan
from striate.training.performance import batch_size
from striate.training.performance.batch_size import tune_batch_size
from striate.training.recipe import Recipe

CNN = ARCHITECTURES["cnn-small"]


def _recipe(digits, **settings):
    return plan(Recipe(**{"architecture": "cnn-small", "precision": "float32", **settings}), digits[0].images)


def _pretend(monkeypatch, paces):
    """Lets the machine be as fast as the table says; what it does not hold does not fit the memory."""

    def pace(recipe, *_):
        if recipe.batch not in paces:
            raise TrainingError("no memory")
        return paces[recipe.batch]

    monkeypatch.setattr(batch_size, "_measure_throughput", pace)


@pytest.mark.backend
def test_real_batches_are_measured_and_told(digits):
    class Lines(Progress):
        def log(self, line):
            lines.append(line)

    lines, told = [], Lines()
    chosen = tune_batch_size(_recipe(digits), digits[0], CNN, told, keep_learning_rate=False)
    assert chosen.batch in (16, 32, 64)  # ten steps an epoch at least
    (line,) = lines
    assert line.startswith(f"Batches of {chosen.batch}, learning rate") and "16: " in line and "64: " in line


def test_the_fastest_is_taken_and_of_equals_the_smallest(digits, monkeypatch):
    _pretend(monkeypatch, {16: 100.0, 32: 200.0, 64: 205.0})
    assert tune_batch_size(_recipe(digits), digits[0], CNN, NO_PROGRESS, keep_learning_rate=False).batch == 32
    _pretend(monkeypatch, {16: 100.0, 32: 200.0, 64: 300.0})
    assert tune_batch_size(_recipe(digits), digits[0], CNN, NO_PROGRESS, keep_learning_rate=False).batch == 64


def test_a_batch_that_does_not_fit_the_memory_ends_the_search(digits, monkeypatch):
    _pretend(monkeypatch, {16: 100.0, 64: 1e9})
    assert tune_batch_size(_recipe(digits), digits[0], CNN, NO_PROGRESS, keep_learning_rate=False).batch == 16
    _pretend(monkeypatch, {})
    with pytest.raises(TrainingError, match="no memory"):
        tune_batch_size(_recipe(digits), digits[0], CNN, NO_PROGRESS, keep_learning_rate=False)


@pytest.mark.parametrize(("optimizer", "factor"), [("sgd", 2.0), ("adam", math.sqrt(2)), ("adamw", math.sqrt(2))])
def test_the_rate_grows_with_the_batch_unless_it_was_asked_for(digits, monkeypatch, optimizer, factor):
    recipe = _recipe(digits, optimizer=optimizer, learning_rate=0.01)
    assert recipe.batch == 32
    _pretend(monkeypatch, {16: 1.0, 32: 2.0, 64: 4.0})
    found = tune_batch_size(recipe, digits[0], CNN, NO_PROGRESS, keep_learning_rate=False)
    assert found.learning_rate == pytest.approx(0.01 * factor, rel=1e-2)
    assert tune_batch_size(recipe, digits[0], CNN, NO_PROGRESS, keep_learning_rate=True).learning_rate == 0.01


def test_memory_that_a_batch_would_need_is_known_before_it_is_asked_for(digits, monkeypatch):
    monkeypatch.setattr(batch_size, "measure_memory", lambda: 1000)
    with pytest.raises(TrainingError, match=r"memory does not suffice.*--batch"):
        tune_batch_size(_recipe(digits), digits[0], CNN, NO_PROGRESS, keep_learning_rate=False)


def test_a_last_layer_alone_has_no_fastest_batch(digits):
    recipe = Recipe(architecture="mobilenet_v2", pretrained="x.h5", batch=32)
    with pytest.raises(ConfigError, match="no fastest batch"):
        tune_batch_size(recipe, digits[0], CNN, NO_PROGRESS, keep_learning_rate=False)
