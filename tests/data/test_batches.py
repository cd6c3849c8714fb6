"""Batches: their order and changes depend on (seed, epoch) and on nothing that ran before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.augment import Augment
from striate.data.batches import Batches

pytestmark = pytest.mark.fast

CASES = settings(deadline=None, max_examples=30)
SHIFT = Augment(shift=0.3, flip=True, brightness=0.2)


def numbered(count: int, batch: int, seed: int | None = 0, **options) -> Batches:
    """Batches of 4×4 images whose first pixel is their number; the label is the number modulo 3."""
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    return Batches(pixels, np.arange(count, dtype=np.int32) % 3, 3, batch, shuffle_seed=seed, **options)


def pictures(batches: Batches) -> list[int]:
    return [number for index in range(len(batches)) for number in batches[index][0][:, 0, 0, 0].tolist()]


counts = st.integers(1, 60)


@given(counts, counts, st.integers(0, 2**32 - 1), st.integers(0, 50))
@CASES
def test_an_epoch_shows_each_image_at_most_once_and_drops_less_than_a_batch(count, batch, seed, epoch):
    batches = numbered(count, batch, seed)
    batches.set_epoch(epoch)
    shown = pictures(batches)
    assert len(set(shown)) == len(shown)
    assert count - min(batch, count) < len(shown) <= count
    assert {len(batches[index][0]) for index in range(len(batches))} == {min(batch, count)}


@given(counts, counts)
@CASES
def test_without_a_seed_every_image_comes_once_in_order(count, batch):
    assert pictures(numbered(count, batch, None)) == list(range(count))


def test_the_images_left_out_change_from_epoch_to_epoch():
    batches, left_out = numbered(10, 4), []
    for epoch in range(20):
        batches.set_epoch(epoch)
        left_out.append(frozenset(range(10)) - set(pictures(batches)))
    assert {len(rest) for rest in left_out} == {2}
    assert len(frozenset.union(*left_out)) > 6


def test_labels_stay_with_their_images():
    for index in range(5):
        pixels, targets = numbered(60, 12)[index]
        np.testing.assert_array_equal(targets, np.eye(3, dtype=np.float32)[pixels[:, 0, 0, 0] % 3])
        assert (pixels.dtype, targets.dtype) == (np.uint8, np.float32)


def test_order_and_changes_depend_on_seed_and_epoch_and_not_on_what_was_asked_for_before():
    straight, jumping = numbered(40, 8, augment=SHIFT), numbered(40, 8, augment=SHIFT)
    expected = {}
    for epoch in range(4):
        straight.set_epoch(epoch)
        expected |= {(epoch, index): straight[index] for index in range(5)}
    for epoch, index in ((3, 4), (0, 2), (3, 0), (2, 1), (0, 2)):
        jumping.set_epoch(epoch)
        for one, two in zip(jumping[index], expected[epoch, index], strict=True):
            np.testing.assert_array_equal(one, two)


def test_epochs_and_seeds_differ_in_order_and_in_changes():
    def all_pixels(seed: int, epoch: int) -> bytes:
        batches = numbered(40, 40, seed, augment=SHIFT)
        batches.set_epoch(epoch)
        return batches[0][0].tobytes()

    assert len({all_pixels(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_two_batches_of_one_epoch_are_not_changed_alike():
    pixels = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 9, 9, 1), dtype=np.uint8), 8, axis=0)
    batches = Batches(pixels, np.zeros(8, np.int32), 2, 4, shuffle_seed=0, augment=Augment(rotate=45))
    assert not np.array_equal(batches[0][0], batches[1][0])


def test_images_to_measure_on_are_never_changed():
    batches = numbered(10, 5, None, augment=SHIFT)
    np.testing.assert_array_equal(batches[1][0], batches.pixels[5:])


def test_a_batch_larger_than_the_set_is_the_set():
    batches = numbered(5, 512)
    assert len(batches) == 1
    assert sorted(pictures(batches)) == [0, 1, 2, 3, 4]


def test_a_memory_map_gives_the_same_batches(tmp_path):
    usual = numbered(20, 6)
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=usual.pixels.shape)
    mapped[:] = usual.pixels
    other = Batches(mapped, np.arange(20, dtype=np.int32) % 3, 3, 6, shuffle_seed=0)
    assert pictures(other) == pictures(usual)


def test_each_image_is_mirrored_in_every_second_epoch_half_of_them_in_the_first():
    pixels = np.arange(400, dtype=np.uint16).astype(np.uint8).reshape(100, 1, 4, 1)
    for seed in range(3):
        batches = Batches(pixels, np.zeros(100, np.int32), 2, 100, shuffle_seed=seed, augment=Augment(flip=True))
        seen = []
        for epoch in range(4):
            batches.set_epoch(epoch)
            by_picture = np.empty((100, 4), np.uint8)
            by_picture[batches.order] = batches[0][0].reshape(100, 4)
            seen.append(by_picture[:, 0] > by_picture[:, 3])
        assert 30 < seen[0].sum() < 70
        assert (seen[1] == ~seen[0]).all() and (seen[2] == seen[0]).all() and (seen[3] == seen[1]).all()
