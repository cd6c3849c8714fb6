"""Images decoded ahead of the model."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from striate.data.prefetch import IMAGES_PER_JOB, PREFETCH_BATCHES, iter_decoded, map_in_order, open_worker_pool
from striate.data.preprocessing import Preprocessing

pytestmark = pytest.mark.fast

FORM = Preprocessing(6, 7, 3)


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (7, 6), (value, value, value)).save(out, "PNG")
    return out.getvalue()


def values(batch) -> list:
    return [one if isinstance(one, str) else int(one[0, 0, 0]) for one in batch]


@pytest.mark.parametrize("batch", [1, 3, IMAGES_PER_JOB, IMAGES_PER_JOB + 1, 100, 1000])
def test_batches_come_whole_and_in_order_and_reasons_lie_among_them(batch: int):
    sources = [png(number) for number in range(100)]
    sources[40] = b"no picture"
    found = list(iter_decoded(FORM, sources, batch))
    assert [len(one) for one in found[:-1]] == [batch] * (len(found) - 1)
    flat = [value for one in found for value in values(one)]
    assert flat[40] == "not an image in any known format"
    assert flat[:40] + flat[41:] == [*range(40), *range(41, 100)]


def test_nothing_in_is_nothing_out():
    assert list(iter_decoded(FORM, [], 10)) == []


class Counted(list):
    """Sources that count how many were asked for."""

    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)


def test_no_more_than_a_few_batches_are_decoded_before_they_are_asked_for():
    sources = Counted([np.full((6, 7, 3), number % 251, np.uint8) for number in range(1000)])
    coming = iter_decoded(FORM, sources, 20)
    next(coming)
    next(coming)
    coming.close()
    assert sources.asked <= (2 + PREFETCH_BATCHES) * 20


def test_an_error_that_is_not_a_images_own_ends_it_and_leaves_no_thread():
    class Failing(Counted):
        def __getitem__(self, index):
            raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        list(iter_decoded(FORM, Failing([b""] * 50), 10))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("striate-decode")]


def test_whoever_leaves_before_the_end_waits_for_no_work():
    """As the garbage collector does with a training's feed, in a thread that may hold any lock."""
    go_on = threading.Event()

    def stream():
        with open_worker_pool(1, "striate-left") as pool:
            yield from map_in_order(pool, lambda item: item if not item else go_on.wait(60), range(5), 2)

    coming = stream()
    assert next(coming) == 0
    leaving = threading.Thread(target=coming.close)
    leaving.start()
    leaving.join(10)
    was_left = not leaving.is_alive()
    go_on.set()
    assert was_left
