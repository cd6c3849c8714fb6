"""The best epoch is kept, NaN or not, and the clock counts what was really done."""

from __future__ import annotations

import math
import signal
import threading
import time

import numpy as np
import pytest

from striate.data.batches import Batches
from striate.progress import Progress
from striate.system.backend import keras
from striate.system.signals import on_first_signal
from striate.training.callbacks import MUCH_WAITING, WAITING, EpochClock, KeepBest, StopWhenAsked
from striate.training.data_loader import PrefetchDataset
from striate.training.epoch_loop import EpochRunner

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

NAN, INF = math.nan, math.inf


def _model():
    images = keras.Input((2, 2, 1))
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(images))
    model = keras.Model(images, logits)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=["accuracy"], jit_compile=False)
    return model


def _through(val_losses, *, patience=None, losses=None):
    """Goes through epochs that end in these losses; epoch number n leaves weights of n. Returns callback and model."""
    model = _model()
    keep = KeepBest(patience)
    keep.set_model(model)
    model.stop_training = False
    for epoch, val_loss in enumerate(val_losses):
        model.set_weights([np.full_like(weight, epoch + 1) for weight in model.get_weights()])
        keep.on_epoch_end(epoch, {"loss": losses[epoch] if losses else 1.0, "val_loss": val_loss})
        if model.stop_training:
            break
    keep.restore()
    return keep, model, epoch + 1


@pytest.mark.parametrize(
    ("val_losses", "best"),
    [
        ([3.0, 2.0, 1.0], 3),
        ([3.0, 1.0, 2.0], 2),
        ([1.0, 2.0, 3.0], 1),
        ([NAN, 2.0, 3.0], 2),
        ([NAN, NAN, 3.0], 3),
        ([3.0, NAN, 2.0], 3),
        ([2.0, NAN, 3.0], 1),
        ([INF, 2.0, -INF], 2),
        ([2.0, 1.0, 1.0, 1.0], 2),
        ([0.0, 0.0], 1),
    ],
)
def test_the_kept_weights_are_those_of_the_lowest_finite_loss(val_losses, best):
    keep, model, _ = _through(val_losses)
    assert keep.best_epoch == best
    assert keep.best_loss == val_losses[best - 1]
    assert all((weight == best).all() for weight in model.get_weights())


def test_an_epoch_whose_training_loss_is_no_number_is_not_the_best():
    keep, model, _ = _through([3.0, 1.0, 2.0], losses=[1.0, NAN, 1.0])
    assert keep.best_epoch == 3
    assert all((weight == 3).all() for weight in model.get_weights())


@pytest.mark.parametrize("val_losses", [[NAN], [NAN, NAN], [INF, NAN]])
@pytest.mark.backend
def test_without_a_finite_loss_there_is_no_best_epoch_and_no_weights_are_touched(val_losses):
    keep, model, trained = _through(val_losses)
    assert keep.best_epoch == 0
    assert all((weight == trained).all() for weight in model.get_weights())


@pytest.mark.parametrize(
    ("patience", "val_losses", "trained"),
    [
        (1, [3, 2, 2, 1], 3),
        (2, [3, 2, 2, 1, 4, 4, 4], 6),
        (2, [1, 2, NAN, 0.5], 3),
        (1, [3, 2, 1], 3),
        (None, [1, 2, 3, 4, 5], 5),
        (2, [NAN, NAN, 1], 2),
        (3, [NAN, NAN, 1], 3),
    ],
)
def test_patience_counts_epochs_since_the_best(patience, val_losses, trained):
    assert _through([float(loss) for loss in val_losses], patience=patience)[2] == trained


class _Counting(Progress):
    def __init__(self):
        self.done, self.lines = 0, []

    def advance(self, count=1, note=None):
        assert count >= 0
        self.done += count

    def log(self, line):
        self.lines.append(line)


@pytest.mark.backend
@pytest.mark.parametrize("steps_per_call", [1, 3, 4, 10])
def test_the_clock_counts_every_step_once_however_many_a_call_makes(monkeypatch, steps_per_call):
    monkeypatch.setattr("striate.training.epoch_loop.MAX_STEPS_PER_CALL", steps_per_call)
    model = _model()
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (42, 2, 2, 1), dtype=np.uint8), rng.integers(0, 2, 42)
    batches = Batches(pixels, labels, 2, 6, shuffle_seed=0)
    progress, rows, done = _Counting(), [], []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            done.append(clock.done)

    feed, held_out = PrefetchDataset(batches), Batches(pixels, labels, 2, 42)
    clock = EpochClock(feed, 2, progress, rows.append)
    EpochRunner(model).run(feed, held_out, stop_epoch=2, callbacks=[clock, Watch()])
    assert len(batches) == 7
    assert done == [7, 7]
    assert progress.done == 14
    assert [row.epoch for row in rows] == [1, 2]
    assert progress.lines == [row.format_line(2) for row in rows]
    for row in rows:
        assert row.ms_per_step == pytest.approx(1000 * row.seconds / 7)
        assert row.images_per_second == pytest.approx(42 / row.seconds)
        assert row.learning_rate == pytest.approx(0.01)
        assert 0 < row.wait_fraction <= 1


@pytest.mark.backend
def test_a_training_that_mostly_waits_for_images_says_so_once(monkeypatch):
    progress = _Counting()
    batches = Batches(np.zeros((8, 2, 2, 1), np.uint8), np.zeros(8, np.int32), 2, 2, shuffle_seed=0)
    real = Batches.__getitem__

    def slowly(self, index):
        time.sleep(0.3)
        return real(self, index)

    monkeypatch.setattr(Batches, "__getitem__", slowly)
    feed, rows = PrefetchDataset(batches), []
    clock = EpochClock(feed, 2, progress, rows.append)
    EpochRunner(_model()).run(feed, batches, stop_epoch=2, callbacks=[clock])
    assert rows[-1].wait_fraction > 0.5  # the first epoch compiles
    first = next(row.wait_fraction for row in rows if row.wait_fraction > MUCH_WAITING)
    assert [line for line in progress.lines if "waited for images" in line] == [WAITING.format(first)]


@pytest.mark.backend
def test_every_epoch_is_read_in_that_epochs_own_order(monkeypatch):
    read = []
    original = Batches.__getitem__

    def spy(self, index):
        pixels, targets = original(self, index)
        if self.seed is not None:
            read.append((self.epoch, index, pixels[:, 0, 0, 0].tolist()))
        return pixels, targets

    monkeypatch.setattr(Batches, "__getitem__", spy)
    pixels = np.arange(40, dtype=np.uint8).reshape(10, 2, 2, 1)
    labels = np.arange(10) % 2
    feed, held_out = PrefetchDataset(Batches(pixels, labels, 2, 2, shuffle_seed=7)), Batches(pixels, labels, 2, 10)
    clock = EpochClock(feed, 3, Progress(), lambda row: None)
    EpochRunner(_model()).run(feed, held_out, stop_epoch=3, callbacks=[clock])
    for epoch in range(3):
        order = np.random.default_rng((7, 0, epoch)).permutation(10) * 4
        for index in range(5):
            assert (epoch, index, order[2 * index : 2 * index + 2].tolist()) in read


def test_the_first_signal_stops_and_gives_the_handlers_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    progress = _Counting()
    stop = StopWhenAsked(progress)
    model = _model()
    stop.set_model(model)
    model.stop_training = False
    with on_first_signal(stop.ask):
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
        stop.on_train_batch_end(0)
        assert not model.stop_training
        signal.raise_signal(signal.SIGTERM)
        assert {number: signal.getsignal(number) for number in before} == before
        assert len(progress.lines) == 1
        stop.on_train_batch_end(1)
        assert model.stop_training
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_that_comes_while_validating_begins_no_further_epoch():
    stop = StopWhenAsked(Progress())
    model = _model()
    stop.set_model(model)
    model.stop_training = False
    with on_first_signal(stop.ask):
        signal.raise_signal(signal.SIGINT)
        stop.on_epoch_end(0)
    assert model.stop_training


def test_signals_are_left_alone_outside_the_main_thread():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with on_first_signal(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
