"""Epochs: what Keras' own `fit` and `evaluate` come to, in the same order of callbacks."""

from __future__ import annotations

import numpy as np
import pytest

from striate.data.batches import Batches
from striate.system.backend import keras
from striate.training import epoch_loop as module
from striate.training.data_loader import PrefetchDataset
from striate.training.epoch_loop import EpochRunner, compute_steps_per_call
from striate.training.loop import compiled

pytestmark = pytest.mark.backend
layers = keras.layers
needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a loop of our own")


def _model():
    keras.utils.set_random_seed(3)
    images = keras.Input((3, 4, 1))
    x = layers.Dense(6, activation="relu", kernel_regularizer="l2")(layers.Flatten()(layers.Rescaling(1 / 255)(images)))
    model = keras.Model(images, layers.Dense(2)(layers.BatchNormalization()(x)))
    compiled(model, keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), 0.1)
    return model


def _batches(count, batch, seed=None):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (count, 3, 4, 1), dtype=np.uint8)
    return Batches(pixels, rng.integers(0, 2, count).astype(np.int32), 2, batch, shuffle_seed=seed)


class _Told(keras.callbacks.Callback):
    """Notes every call and its figures."""

    def __init__(self, feed, stop_at=None):
        super().__init__()
        self.feed, self.stop_at, self.calls = feed, stop_at, []

    def on_epoch_begin(self, epoch, logs=None):
        self.feed.set_epoch(epoch)
        self._note("epoch begins", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("batch begins", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._note("batch ends", batch, logs)
        if batch == self.stop_at:
            self.model.stop_training = True

    def on_test_begin(self, logs=None):
        self._note("test begins", 0, logs)

    def on_test_batch_begin(self, batch, logs=None):
        self._note("test batch begins", batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        self._note("test batch ends", batch, logs)

    def on_test_end(self, logs=None):
        self._note("test ends", 0, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._note("epoch ends", epoch, logs)

    def on_train_begin(self, logs=None):
        self._note("training begins", 0, logs)

    def on_train_end(self, logs=None):
        self._note("training ends", 0, logs)

    def _note(self, what, number, logs):
        self.calls.append((what, number, {name: float(value) for name, value in (logs or {}).items()}))


@pytest.mark.parametrize("stop_at", [None, 2])
def test_callbacks_are_told_what_keras_tells_them(monkeypatch, stop_at):
    monkeypatch.setattr(module, "MAX_STEPS_PER_CALL", 1)
    held_out, found = _batches(11, 4), []
    for is_ours in (False, True):
        model, feed = _model(), PrefetchDataset(_batches(30, 5, seed=2))
        told = _Told(feed, stop_at)
        if is_ours:
            EpochRunner(model).run(feed, held_out, initial_epoch=1, stop_epoch=4, callbacks=[told])
        else:
            model.fit(
                feed,
                validation_data=PrefetchDataset(held_out),
                initial_epoch=1,
                epochs=4,
                callbacks=[told],
                shuffle=False,
                verbose=0,
            )
        found.append((told.calls, model.get_weights()))
    (expected, weights), (calls, own) = found
    assert [call[:2] for call in calls] == [call[:2] for call in expected]
    for (*_, logs), (*_, known) in zip(calls, expected, strict=True):
        assert logs == pytest.approx(known, rel=1e-4)
    for one, other in zip(own, weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("at_once", [2, 4, 10])
def test_how_many_steps_a_call_makes_changes_nothing(monkeypatch, at_once):
    weights = []
    for steps in (1, at_once):
        monkeypatch.setattr(module, "MAX_STEPS_PER_CALL", steps)
        model, feed = _model(), PrefetchDataset(_batches(35, 5, seed=2))
        EpochRunner(model).run(feed, None, stop_epoch=2)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("is_held", [True, False])
def test_validation_says_what_keras_says(monkeypatch, is_held):
    monkeypatch.setattr(module, "MAX_CACHED_BYTES", 1 << 20 if is_held else 0)
    model, held_out = _model(), _batches(23, 5)
    run = EpochRunner(model)
    for _ in range(2):
        assert run.evaluate(held_out) == pytest.approx(
            model.evaluate(PrefetchDataset(held_out), verbose=0, return_dict=True), rel=1e-5
        )
        model.set_weights([2 * one for one in model.get_weights()])
    other = _batches(9, 5)
    assert run.evaluate(other) == pytest.approx(
        model.evaluate(PrefetchDataset(other), verbose=0, return_dict=True), rel=1e-5
    )


@needs_tensorflow
def test_a_step_is_traced_once_for_all_epochs_and_sizes_of_calls(monkeypatch):
    traced = []
    model, feed, held_out = _model(), PrefetchDataset(_batches(35, 5, seed=2)), _batches(11, 4)
    step, test_step = model.train_step, model.test_step
    monkeypatch.setattr(model, "train_step", lambda data: traced.append("train") or step(data))
    monkeypatch.setattr(model, "test_step", lambda data: traced.append("test") or test_step(data))
    monkeypatch.setattr(module, "MAX_STEPS_PER_CALL", 4)
    run = EpochRunner(model)
    run.run(feed, held_out, stop_epoch=2)
    run.run(feed, held_out, initial_epoch=2, stop_epoch=4)
    assert traced == ["train", "test"]


@pytest.mark.parametrize(
    ("count", "batch", "most_bytes", "steps"),
    [(5, 5, 1 << 20, 1), (35, 5, 1 << 20, 7), (200, 5, 1 << 20, 10), (35, 5, 130, 2), (35, 5, 1, 1)],
)
def test_only_tensorflow_makes_several_steps_a_call_unless_their_images_are_large(
    monkeypatch, count, batch, most_bytes, steps
):
    monkeypatch.setattr(module, "MAX_BYTES_PER_CALL", most_bytes)
    expected = steps if keras.backend.backend() == "tensorflow" else 1
    assert compute_steps_per_call(_batches(count, batch, seed=0)) == expected
