"""Training as a whole, on the built-in digits: what comes out is what the history says."""

from __future__ import annotations

import math
import os
import signal

import numpy as np
import pytest

from striate.data.decoded_cache import DecodedSet
from striate.errors import TrainingError
from striate.progress import Progress
from striate.runs.store import RunStore
from striate.system.backend import keras
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.optimizers import make_optimizer
from striate.training.recipe import Recipe
from striate.workflows.train import resume, train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


def _recipe(digits, **settings):
    settings = {"architecture": "mlp", "epochs": 3, "batch": 64, "seed": 5, "precision": "float32"} | settings
    return plan(Recipe(**settings), digits[0].images)


def _figures(history):
    return [(row.loss, row.accuracy, row.val_loss, row.val_accuracy, row.learning_rate) for row in history.epochs]


def _loss_and_accuracy(classifier, decoded):
    rows = classifier.predict_log_probabilities(decoded.pixels)
    labels = decoded.images.labels
    return -rows[np.arange(len(labels)), labels].mean(), (rows.argmax(axis=1) == labels).mean()


@pytest.mark.backend
def test_three_epochs_beat_chance_by_far(digits):
    lines = []

    class Say(Progress):
        def log(self, line):
            lines.append(line)

    recorded = []
    trained = fit(*digits, _recipe(digits, augment="auto", dropout=0.2), progress=Say(), record=recorded.append)
    assert not trained.interrupted
    assert tuple(recorded) == trained.history.epochs
    assert [row.epoch for row in recorded] == [1, 2, 3]
    assert lines == [row.format_line(3) for row in recorded]
    assert recorded[-1].loss < recorded[0].loss
    assert _loss_and_accuracy(trained.classifier, digits[1])[1] > 0.5
    assert trained.classifier.classes == digits[0].images.classes
    assert trained.classifier.architecture == "mlp"


def test_the_same_seed_gives_the_same_history_and_weights_and_another_seed_others(digits):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("repeats exactly on TensorFlow; other backends may reorder sums")
    settings = {"augment": "auto", "dropout": 0.3, "epochs": 2, "optimizer": "adamw", "schedule": "cosine"}
    one, two = (fit(*digits, _recipe(digits, **settings)) for _ in range(2))
    assert _figures(one.history) == _figures(two.history)
    weights = one.classifier.model.get_weights()
    for a, b in zip(weights, two.classifier.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other = fit(*digits, _recipe(digits, **settings, seed=6))
    assert _figures(other.history) != _figures(one.history)
    assert any((a != b).any() for a, b in zip(weights, other.classifier.model.get_weights(), strict=True))


@pytest.mark.parametrize("keep", [pytest.param("best", marks=pytest.mark.backend), "last"])
def test_the_kept_weights_really_are_those_of_the_kept_epoch(digits, keep):
    training, validation = digits
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(validation.images.labels)  # the better it learns, the worse it does on these
    images = validation.images.__class__(**{**validation.images.__dict__, "labels": shuffled})
    contrary = DecodedSet(images, validation.pixels, {})
    trained = fit(training, contrary, _recipe(digits, keep=keep, epochs=4))
    losses = [row.val_loss for row in trained.history.epochs]
    best = 1 + losses.index(min(losses))
    assert best < 4, "the test needs a best epoch before the last"
    assert trained.history.best_epoch == (best if keep == "best" else 4)
    kept = trained.history.epochs[trained.history.best_epoch - 1]
    loss, accuracy = _loss_and_accuracy(trained.classifier, contrary)
    assert loss == pytest.approx(kept.val_loss, rel=1e-3)
    assert accuracy == pytest.approx(kept.val_accuracy, abs=1e-6)
    assert loss != pytest.approx(losses[(3 if keep == "best" else best - 1)], rel=1e-3)


def test_patience_ends_a_training_that_no_longer_improves(digits):
    training, validation = digits
    shuffled = np.random.default_rng(0).permutation(validation.images.labels)
    images = validation.images.__class__(**{**validation.images.__dict__, "labels": shuffled})
    trained = fit(training, DecodedSet(images, validation.pixels, {}), _recipe(digits, epochs=20, patience=2))
    assert len(trained.history.epochs) == trained.history.best_epoch + 2 < 20
    assert not trained.interrupted


@pytest.mark.backend
def test_a_loss_that_is_never_finite_is_an_error_that_says_what_to_try(digits):
    with pytest.raises(TrainingError, match="never had a finite loss") as caught:
        fit(*digits, _recipe(digits, optimizer="sgd", learning_rate=1e30, epochs=2))
    assert "learning rate 1e+30" in str(caught.value)
    assert "--lr 1e+29" in str(caught.value)


def test_a_run_without_a_usable_model_says_so(tmp_path):
    with pytest.raises(TrainingError):
        settings = {"architecture": "mlp", "optimizer": "sgd", "learning_rate": 1e30, "epochs": 1}
        train("digits", runs=tmp_path, name="bad", precision="float32", artifacts="none", **settings)
    run = RunStore(tmp_path).find("bad")
    assert run.state == "failed"
    assert "never had a finite loss" in run.manifest.reason
    assert run.manifest.best_epoch == 0
    assert len(run.epochs) == run.manifest.epochs == 1
    assert not math.isfinite(run.epochs[0].val_loss)
    assert not (run.path / "classifier").exists()
    assert not (run.path / "report.json").exists()


class _SignalAt(Progress):
    """Sends this process a signal, as Ctrl-C does, when so many steps are done."""

    def __init__(self, step, number=signal.SIGINT):
        self.step, self.number, self.done, self.task_name, self.lines = step, number, 0, "", []

    def begin(self, task, total, unit):
        self.task_name = task

    def advance(self, count=1, note=None):
        if self.task_name == "training":
            self.done += count
            if self.done >= self.step and self.step:
                self.step = 0
                os.kill(os.getpid(), self.number)

    def log(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.backend), signal.SIGTERM])
def test_a_signal_ends_the_training_and_keeps_what_was_learned(digits, number):
    before = signal.getsignal(number)
    progress = _SignalAt(25, number)
    trained = fit(*digits, _recipe(digits, epochs=50), progress=progress)  # 19 steps an epoch
    assert trained.interrupted
    assert len(trained.history.epochs) == 2
    assert 25 <= progress.done < 38
    assert trained.history.best_epoch in (1, 2)
    assert any("Stopping after this step" in line for line in progress.lines)
    assert signal.getsignal(number) == before
    kept = trained.history.epochs[trained.history.best_epoch - 1]
    assert _loss_and_accuracy(trained.classifier, digits[1])[0] == pytest.approx(kept.val_loss, rel=1e-3)


def test_a_second_ctrl_c_is_no_longer_ours(digits):
    class Twice(_SignalAt):
        def log(self, line):
            super().log(line)
            if line.startswith("Stopping"):
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(*digits, _recipe(digits, epochs=50), progress=Twice(5))
    assert signal.getsignal(signal.SIGINT) == before


def test_a_training_ends_with_the_epoch_that_is_enough(digits):
    asked = []

    def enough(row):
        asked.append(row.epoch)
        return row.epoch == 2

    trained = fit(*digits, _recipe(digits, epochs=4), enough=enough)
    assert asked == [row.epoch for row in trained.history.epochs] == [1, 2]
    assert not trained.interrupted


def test_a_run_that_a_signal_stopped_can_be_finished_as_it_is(tmp_path):
    settings = {"architecture": "mlp", "epochs": 50, "precision": "float32", "artifacts": "report"}
    run = train("digits", runs=tmp_path, name="cut", progress=_SignalAt(90), **settings)
    assert run.state == "unfinished"
    assert not (run.path / "report.json").exists()
    run = resume(run, finish=True)
    assert run.state == run.manifest.state == "interrupted"
    assert run.manifest.epochs == len(run.epochs) < 50
    assert 1 <= run.manifest.best_epoch <= run.manifest.epochs
    assert run.report.n == 359
    assert "Its training was stopped early" in (run.path / "report.html").read_text()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
@pytest.mark.backend
def test_half_precision_trains_and_leaves_the_global_policy_alone(digits, precision):
    before = keras.config.dtype_policy()
    trained = fit(*digits, _recipe(digits, precision=precision, learning_rate=1e-3))
    assert keras.config.dtype_policy() == before
    assert {layer.compute_dtype for layer in trained.classifier.model.layers} == {"float32"}
    assert _loss_and_accuracy(trained.classifier, digits[1])[1] > 0.5
    assert trained.history.epochs[-1].learning_rate == pytest.approx(1e-3)


def _rates(recipe, steps):
    rate = make_optimizer(recipe, recipe.learning_rate, steps=steps)._learning_rate
    return [float(keras.ops.convert_to_numpy(rate(step))) for step in range(steps + 1)]


@pytest.mark.backend
def test_a_cosine_rate_rises_to_its_peak_and_falls_to_zero():
    rates = _rates(Recipe(learning_rate=0.1, schedule="cosine", warmup=0.2), steps=50)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[10] == pytest.approx(0.1)
    assert rates[5] == pytest.approx((0.1 / 25 + 0.1) / 2)
    assert rates[30] == pytest.approx(0.05)
    assert rates[50] == pytest.approx(0, abs=1e-9)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_cosine_rate_without_warmup_begins_at_its_peak():
    rates = _rates(Recipe(learning_rate=0.1, schedule="cosine"), steps=20)
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(0.05)
    assert rates[20] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_however_short_the_training_the_rate_stays_between_zero_and_its_peak(steps, warmup):
    for rate in _rates(Recipe(learning_rate=0.1, schedule="cosine", warmup=warmup), steps):
        assert -1e-9 <= rate <= 0.1 + 1e-6


@pytest.mark.parametrize(
    ("settings", "kind", "decay"),
    [
        ({"optimizer": "adam", "weight_decay": 0.01}, "Adam", None),
        ({"optimizer": "adamw", "weight_decay": 0.01}, "AdamW", 0.01),
        ({"optimizer": "sgd", "weight_decay": 0.01}, "SGD", 0.01),
        ({"optimizer": "sgd"}, "SGD", None),
    ],
)
def test_the_optimizer_is_the_recipes(settings, kind, decay):
    optimizer = make_optimizer(Recipe(**settings), 0.25, steps=10)
    assert type(optimizer).__name__ == kind
    assert optimizer.weight_decay == decay
    assert float(optimizer.learning_rate) == 0.25
    if kind == "SGD":
        assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


@pytest.mark.backend
def test_fewer_images_than_a_batch_can_be_trained_on(digits):
    few = tuple(DecodedSet(part.images.subset(range(7)), part.pixels[:7], {}) for part in digits)
    trained = fit(*few, _recipe(digits, epochs=2, batch=128))
    assert len(trained.history.epochs) == 2
    assert all(math.isfinite(row.loss) for row in trained.history.epochs)
