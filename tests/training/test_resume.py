"""A training that is killed and resumed comes to the same bits as one that never stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal

import numpy as np
import pytest

from striate.errors import RunError
from striate.progress import Progress
from striate.training.auto_config import plan
from striate.training.checkpoint_store import CheckpointStore
from striate.training.checkpointing import Keeper, Paused
from striate.training.fit import fit
from striate.training.loss_monitor import LossTrace
from striate.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


class Killed(Exception):  # noqa: N818
    """Ends a training wherever it is, as a power cut does."""


class KillAt(Progress):
    """Ends the training after so many steps of its own."""

    def __init__(self, steps):
        self.left = steps

    def advance(self, count=1, note=None):
        self.left -= count if note else 0  # steps that an earlier attempt made have no note
        if self.left <= 0:
            raise Killed


def _recipe(digits, **settings):
    usual = {"architecture": "cnn-small", "epochs": 3, "batch": 64, "seed": 5, "precision": "float32", "dropout": 0.4}
    return plan(Recipe(**{**usual, "augment": "digits", **settings}), digits[0].images)


def _outcome(trained):
    """Returns everything that must not differ by a bit: times left out."""
    rows = [dataclasses.astuple(row)[:6] for row in trained.history.epochs]
    return rows, trained.history.best_epoch, [weights.tobytes() for weights in trained.classifier.model.get_weights()]


@pytest.fixture(scope="module")
def whole(digits):
    """Returns what came of trainings that never stopped, by their recipe."""
    known = {}

    def get(recipe):
        if recipe not in known:
            trace = LossTrace()
            known[recipe] = *_outcome(fit(*digits, recipe, trace=trace)), trace.early
        return known[recipe]

    return get


SCHEDULES = [
    pytest.param({}, id="adam", marks=pytest.mark.backend),
    pytest.param({"optimizer": "sgd", "learning_rate": 0.05, "schedule": "cosine", "warmup": 0.2}, id="sgd-cosine"),
    pytest.param({"keep": "last", "optimizer": "adamw", "weight_decay": 0.01, "schedule": "step"}, id="adamw-last"),
]


@pytest.mark.parametrize("settings", SCHEDULES)
def test_killed_within_epochs_again_and_again_it_ends_with_the_same_bits(digits, tmp_path, whole, settings):
    recipe = _recipe(digits, **settings)
    kills, trained, places = 0, None, set()
    while trained is None and kills < 10:
        keeper, trace = Keeper(CheckpointStore(tmp_path), every=0), LossTrace()
        try:
            trained = fit(*digits, recipe, progress=KillAt(32), keeper=keeper, trace=trace)
        except Killed:
            kills += 1
            places.add(Keeper(CheckpointStore(tmp_path)).place.step > 0)
    assert kills < 10 and True in places  # of 57 steps
    *expected, early = whole(recipe)
    assert list(_outcome(trained)) == expected
    assert trace.early == early


@pytest.mark.backend
def test_a_signal_leaves_within_the_step_and_the_training_goes_on_from_it(digits, tmp_path, whole):
    class Stop(Progress):
        steps = 0

        def advance(self, count=1, note=None):
            self.steps += count
            if 30 <= self.steps < 30 + count:
                os.kill(os.getpid(), signal.SIGTERM)

    recipe, stop = _recipe(digits), Stop()
    with pytest.raises(Paused):
        fit(*digits, recipe, progress=stop, keeper=Keeper(CheckpointStore(tmp_path)))
    assert 30 <= stop.steps < 50
    keeper = Keeper(CheckpointStore(tmp_path))
    assert (keeper.place.epoch, len(keeper.rows())) == (1, 1) and keeper.place.step > 0
    assert list(_outcome(fit(*digits, recipe, keeper=keeper))) == list(whole(recipe)[:3])


@pytest.mark.backend
def test_a_signal_while_an_epoch_is_validated_leaves_its_validation_to_be_made(digits, tmp_path, whole, monkeypatch):
    from striate.training.checkpointing import SaveState

    validate = SaveState.on_test_batch_end

    def signalled(self, batch, logs=None):
        if self.epoch == 1:
            self.loop.stop.asked = True
        validate(self, batch, logs)

    recipe = _recipe(digits)
    with monkeypatch.context() as patch:
        patch.setattr(SaveState, "on_test_batch_end", signalled)
        with pytest.raises(Paused):
            fit(*digits, recipe, keeper=Keeper(CheckpointStore(tmp_path)))
    keeper = Keeper(CheckpointStore(tmp_path))
    assert keeper.place.epoch == 1 and keeper.place.step == 19 and keeper.place.logs["loss"] > 0
    assert list(_outcome(fit(*digits, recipe, keeper=keeper))) == list(whole(recipe)[:3])


def test_patience_and_the_best_epoch_are_remembered(digits, tmp_path):
    recipe = _recipe(digits, epochs=12, patience=2, learning_rate=0.05, dropout=0.0, augment="none")
    expected = _outcome(fit(*digits, recipe))
    assert len(expected[0]) < 12, "the training is meant to lose its patience"
    found = None
    for _ in range(20):
        with contextlib.suppress(Killed):
            found = fit(*digits, recipe, progress=KillAt(50), keeper=Keeper(CheckpointStore(tmp_path), every=0))
            break
    assert found is not None
    assert _outcome(found)[0] == expected[0]
    assert _outcome(found) == expected
    ended = Keeper(CheckpointStore(tmp_path))  # and resumed once more, there is nothing left to learn
    assert ended.place.ended
    assert _outcome(fit(*digits, recipe, progress=KillAt(300), keeper=ended)) == expected


def test_a_training_can_be_finished_with_what_it_has_learned(digits, tmp_path):
    recipe = _recipe(digits, keep="last")
    with pytest.raises(Killed):
        fit(*digits, recipe, progress=KillAt(45), keeper=Keeper(CheckpointStore(tmp_path), every=0))
    trained = fit(*digits, recipe, keeper=Keeper(CheckpointStore(tmp_path)), finish=True)
    assert trained.interrupted and len(trained.history.epochs) == 2
    kept = trained.history.epochs[trained.history.best_epoch - 1]
    rows = trained.classifier.predict_log_probabilities(digits[1].pixels)
    labels = digits[1].images.labels
    assert -rows[np.arange(len(labels)), labels].mean() == pytest.approx(kept.val_loss, rel=1e-3)


def test_what_was_measured_to_plan_the_training_is_not_measured_again(digits, tmp_path, monkeypatch):
    recipe = _recipe(digits, precision="auto")
    with monkeypatch.context() as patch:
        patch.setattr("striate.training.build.choose_precision", lambda *_, **__: "mixed_bfloat16")
        with pytest.raises(Killed):
            fit(*digits, recipe, progress=KillAt(1), keeper=Keeper(CheckpointStore(tmp_path)))
    monkeypatch.setattr("striate.training.build.choose_precision", lambda *_, **__: pytest.fail("measured again"))
    trained = fit(*digits, recipe, keeper=Keeper(CheckpointStore(tmp_path)))
    assert trained.recipe.precision == "mixed_bfloat16"


def test_the_checkpoint_of_another_model_is_refused(digits, tmp_path):
    with pytest.raises(Killed):
        fit(*digits, _recipe(digits), progress=KillAt(30), keeper=Keeper(CheckpointStore(tmp_path), every=0))
    keeper = Keeper(CheckpointStore(tmp_path))
    other = dataclasses.replace(_recipe(digits), architecture="mlp")
    keeper.recipe = lambda recipe: recipe
    with pytest.raises(RunError, match="does not belong to this model"):
        fit(*digits, other, keeper=keeper)
