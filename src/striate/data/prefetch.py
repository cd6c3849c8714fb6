"""Work done ahead of who needs it, in order; and images so decoded while a model works on those before."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.data.decoding import ImageSource
from striate.data.preprocessing import Preprocessing
from striate.errors import ImageDecodeError
from striate.progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

DecodeResult = NDArray[np.uint8] | str
"""An image's pixels, or why it has none."""

IMAGES_PER_JOB = (
    16  # images a job: enough to hide the pool's overhead, few enough that the last job of a batch is short
)
PREFETCH_BATCHES = 2  # batches
IMAGES_PER_CHUNK = (
    64  # images a job, where none is waited for: enough to hide the overhead, few enough for a smooth progress bar
)


@contextlib.contextmanager
def open_worker_pool(max_workers: int | None, name: str) -> Iterator[Executor]:
    """Gives a pool of so many threads, for a generator that may be left before its end: then nothing is waited for. The
    garbage collector may close it in any thread and at any moment, even while that thread is being started and holds a
    lock that joining another needs (Python 3.11: threading._shutdown_locks_lock).
    """
    from concurrent.futures import ThreadPoolExecutor

    pool, is_left = ThreadPoolExecutor(max_workers, name), False
    try:
        yield pool
    except GeneratorExit:
        is_left = True
        raise
    finally:
        pool.shutdown(wait=not is_left, cancel_futures=True)


def map_in_order(
    pool: Executor, function: Callable[[int], T], items: Iterable[int], prefetch_count: int
) -> Iterator[T]:
    """Yields what `function` makes of each item, in order, while the pool is at work on the next
    `prefetch_count` of them.
    """
    left = iter(items)
    coming = deque(pool.submit(function, item) for item in islice(left, prefetch_count))
    while coming:
        found = coming.popleft().result()
        coming.extend(pool.submit(function, item) for item in islice(left, 1))
        yield found


def iter_decoded(
    preprocessing: Preprocessing, sources: Sequence[ImageSource], batch_size: int
) -> Iterator[list[DecodeResult]]:
    """Yields what becomes of the images, `batch_size` at a time and in order; the next batches are being decoded."""

    def decode_chunk(first: int) -> list[DecodeResult]:
        return [
            decode_or_error(preprocessing, sources[index])
            for index in range(first, min(first + IMAGES_PER_JOB, len(sources)))
        ]

    if len(sources) == 1:  # nothing is ahead of it
        yield [decode_or_error(preprocessing, sources[0])]
        return
    with open_worker_pool(os.cpu_count(), "striate-decode") as pool:
        jobs = map_in_order(
            pool,
            decode_chunk,
            range(0, len(sources), IMAGES_PER_JOB),
            max(1, PREFETCH_BATCHES * batch_size // IMAGES_PER_JOB),
        )
        images = chain.from_iterable(jobs)
        while found := list(islice(images, batch_size)):
            yield found


def run_in_parallel(task_name: str, total: int, job: Callable[[int], None], progress: Progress) -> None:
    """Does a job for each of `total` images, by number and in all cores; an error ends it."""

    def run_chunk(chunk: range) -> int:
        for index in chunk:
            job(index)
        return len(chunk)

    from concurrent.futures import ThreadPoolExecutor

    chunks = (range(start, min(start + IMAGES_PER_CHUNK, total)) for start in range(0, total, IMAGES_PER_CHUNK))
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.track(task_name, total, "images") as shown:
        try:
            for done in pool.map(run_chunk, chunks):
                shown.advance(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def decode_or_error(preprocessing: Preprocessing, source: ImageSource) -> DecodeResult:
    """Returns the image's (h, w, c) pixels, or the reason why it has none."""
    try:
        return preprocessing(source)
    except ImageDecodeError as error:
        return error.problem
