"""What a training notes about itself is what happened in it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from striate.data.batches import Batches
from striate.data.image_set import SPLIT_NAMES
from striate.data.loaders.load import load_images
from striate.diagnosis.training_signals import list_accelerators, load_training_signals, measure_layer_activity
from striate.errors import TrainingError
from striate.models.architecture import Architecture
from striate.system.backend import keras
from striate.training.data_loader import PrefetchDataset
from striate.training.loss_monitor import LossTrace, WatchLoss
from striate.workflows.train import train

pytestmark = pytest.mark.backend


def test_dead_units_are_counted_and_living_ones_are_not():
    images = keras.Input((6, 6, 1))
    x = keras.layers.Rescaling(1 / 255)(images)
    low = keras.initializers.Constant(-100.0)
    dead = keras.layers.Dense(7, activation="relu", kernel_initializer="zeros", bias_initializer=low, name="dead")
    x = keras.layers.Flatten()(keras.layers.Conv2D(5, 3, name="conv")(x))
    x = keras.layers.Dense(9, activation="relu", bias_initializer=keras.initializers.Constant(100.0), name="alive")(x)
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Concatenate()([x, dead(x)])))
    pixels = np.random.default_rng(0).integers(0, 256, (70, 6, 6, 1), dtype=np.uint8)
    scale, units = measure_layer_activity(model, pixels)
    assert {(one.layer, one.unit_count, one.dead_count) for one in units} == {("alive", 9, 0), ("dead", 7, 7)}
    assert scale.layer == "conv"
    seen = pixels[:64] / 255
    assert (scale.mean, scale.std) == pytest.approx((seen.mean(), seen.std()), rel=1e-4)


def test_a_model_without_rectified_units_has_none():
    images = keras.Input((6, 6, 1))
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(images)))
    scale, units = measure_layer_activity(model, np.full((3, 6, 6, 1), 7, np.uint8))
    assert units == ()
    assert (scale.mean, scale.std) == pytest.approx((7, 0))


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_batches_at_work_when_a_loss_broke_are_named(at_once: int):
    batches = Batches(np.zeros((100, 2, 2, 1), np.uint8), np.zeros(100, np.int32), 2, 10, shuffle_seed=3)
    feed, trace = PrefetchDataset(batches), LossTrace()
    feed.set_epoch(1)
    watch = WatchLoss(trace, feed)
    watch.set_model(SimpleNamespace(trainable_variables=[], jax_state_sync=lambda: None))
    watch.on_epoch_begin(1)
    means = [1.0] * 5 + [float("nan")] * 5
    for end in range(at_once - 1, 10, at_once):
        watch.on_train_batch_end(end, {"loss": means[end]})
    assert trace.broken is not None
    first = 6 if at_once == 1 else 5
    last = 6 if at_once == 1 else 8
    assert (trace.broken.epoch, trace.broken.first, trace.broken.last) == (2, first, last)
    assert trace.broken.pictures.tolist() == batches.order[(first - 1) * 10 : last * 10].tolist()


def test_the_first_epochs_losses_are_those_of_its_steps():
    batches = Batches(np.zeros((40, 2, 2, 1), np.uint8), np.zeros(40, np.int32), 2, 10, shuffle_seed=3)
    trace = LossTrace()
    watch = WatchLoss(trace, PrefetchDataset(batches))
    watch.on_epoch_begin(0)
    losses = [4.0, 3.0, 2.0, 1.0]
    for end in range(4):
        watch.on_train_batch_end(end, {"loss": float(np.mean(losses[: end + 1]))})
    assert trace.early == [(n + 1, pytest.approx(loss)) for n, loss in enumerate(losses)]
    assert trace.broken is None


def test_a_run_that_overflows_says_in_which_images(tmp_path: Path):
    def build(shape, classes, dropout, seed):
        images = keras.Input(shape)
        x = keras.layers.Flatten()(images)
        huge = {"class_name": "RandomNormal", "config": {"stddev": 1e13, "seed": 0}}
        for name in ("features", "embedding", "logits"):
            x = keras.layers.Dense(classes, kernel_initializer=huge, name=name)(x)
        return keras.Model(images, x)

    model = Architecture("huge", build, "huge", "a test", 2026, "here", "overflows")
    with pytest.raises(TrainingError):
        train("digits", architecture=model, epochs=3, runs=tmp_path, name="r", precision="float32", artifacts="none")
    broken = load_training_signals(tmp_path / "r").non_finite_batches
    assert (broken.epoch, broken.first_batch) == (1, 1)
    assert 0 < len(broken.files) <= broken.image_count
    assert set(broken.files) <= set(load_images("digits").keys.tolist())
    said = json.loads((tmp_path / "r" / "diagnosis.json").read_text(encoding="utf-8"))
    assert said["diagnoses"][0]["kind"] in ("not_finite", "wrong_normalization")


def test_a_finished_run_keeps_what_the_doctor_needs(digits_run):
    noted = load_training_signals(digits_run.path)
    assert [look.split for look in noted.split_statistics] == list(SPLIT_NAMES)
    assert noted.train_outcomes.n == min(1000, digits_run.manifest.data["counts"]["train"])
    assert noted.train_outcomes.accuracy > 0.5
    assert noted.neighbor_outcomes.n == digits_run.manifest.data["counts"]["validation"]
    assert noted.non_finite_batches is None
    assert 0 < len(noted.early_losses) <= 20
    assert load_training_signals(digits_run.path / "nowhere") is None


def test_graphics_processors_are_found_whether_or_not_keras_sees_them(tmp_path: Path):
    assert list_accelerators(tmp_path) == ()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    (tmp_path / "dev" / "kfd").touch()
    assert list_accelerators(tmp_path) == ("NVIDIA GPU", "AMD GPU")
    told = tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0"
    told.mkdir(parents=True)
    (told / "information").write_text("Model: \t\t NVIDIA H100\nIRQ: 1\n", encoding="utf-8")
    assert list_accelerators(tmp_path) == ("NVIDIA H100", "AMD GPU")
