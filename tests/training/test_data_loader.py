"""The feed: every batch once, in its epoch's order, on every backend."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.batches import Batches
from striate.training import data_loader as module
from striate.training.data_loader import PrefetchDataset

pytestmark = pytest.mark.backend
CASES = settings(deadline=None, max_examples=25)


def _batches(count: int, batch: int, seed: int | None) -> Batches:
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return Batches(pixels, np.arange(count, dtype=np.int32) % 3, 3, batch, shuffle_seed=seed)


def _same(read, batches):
    assert len(read) == len(batches)
    for index, (pixels, targets) in enumerate(read):
        expected = batches[index]
        np.testing.assert_array_equal(pixels, expected[0])
        np.testing.assert_array_equal(targets, expected[1])


@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from([None, 3]), st.integers(1, 12))
@CASES
def test_groups_hold_every_batch_once_and_in_order(count, batch, seed, size):
    feed = PrefetchDataset(_batches(count, batch, seed))
    groups = list(feed.iter_groups(size))
    assert all(len(group) == size for group in groups[:-1])
    _same([one for group in groups for one in group], feed.batches)


def test_several_makers_beside_a_gpu_keep_the_order(monkeypatch):
    made_by = set()

    class Slow(Batches):
        def __getitem__(self, index):
            made_by.add(threading.current_thread().name)
            time.sleep(0.002 * (index % 3))
            return super().__getitem__(index)

    monkeypatch.setattr(module, "list_devices", lambda: ["gpu:0"])
    monkeypatch.setattr(module.os, "cpu_count", lambda: 8)
    plain = _batches(90, 3, 5)
    feed = PrefetchDataset(Slow(plain.pixels, plain.targets.argmax(axis=1).astype(np.int32), 3, 3, shuffle_seed=5))
    _same([one for group in feed.iter_groups(1) for one in group], plain)
    assert 1 < len(made_by) <= module.MAX_WORKERS


def test_single_batches_come_in_any_order():
    feed = PrefetchDataset(_batches(30, 4, 0))
    for index in (0, 1, 5, 2, 3, 0):
        np.testing.assert_array_equal(feed[index][0], feed.batches[index][0])


def test_batches_are_made_ahead_and_waiting_is_measured(monkeypatch):
    made = []
    real = Batches.__getitem__

    def slowly(self, index):
        if self is feed.batches:
            time.sleep(0.05)
            made.append((index, threading.current_thread().name))
        return real(self, index)

    feed = PrefetchDataset(_batches(12, 4, 0))
    monkeypatch.setattr(Batches, "__getitem__", slowly)
    stream = feed.iter_groups(1)
    next(stream)
    assert 0.04 < feed.wait_seconds < 5
    deadline = time.monotonic() + 10
    while len(made) < 1 + module.PREFETCH_FACTOR and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [index for index, _ in made] == [0, 1, 2]
    assert all(name.startswith("striate-feed") for _, name in made)
    feed.set_epoch(1)
    assert feed.wait_seconds == 0


def test_what_goes_wrong_while_a_batch_is_made_reaches_the_training(monkeypatch):
    def broken(self, index):
        raise RuntimeError("a batch that cannot be made")

    feed = PrefetchDataset(_batches(12, 4, 0))
    monkeypatch.setattr(Batches, "__getitem__", broken)
    with pytest.raises(RuntimeError, match="cannot be made"):
        list(feed.iter_groups(2))


def test_a_stream_that_is_left_leaves_no_thread_behind():
    before = set(threading.enumerate())
    stream = PrefetchDataset(_batches(40, 4, 0)).iter_groups(1)
    next(stream)
    assert set(threading.enumerate()) - before
    stream.close()  # which waits for nothing: see workers() in images/ahead.py
    until = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.001)
    assert not set(threading.enumerate()) - before
