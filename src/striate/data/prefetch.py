"""Work done ahead of who needs it, in order; and pictures so decoded while a network works on those before."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.data.decoding import Picture
from striate.data.preprocessing import Preprocessing
from striate.errors import PictureError
from striate.progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

Decoded = NDArray[np.uint8] | str
"""A picture's pixels, or why it has none."""

JOB = 16  # pictures a job: enough to hide the pool's overhead, few enough that the last job of a batch is short
AHEAD = 2  # batches
CHUNK = (
    64  # pictures a job, where none is waited for: enough to hide the overhead, few enough for a smooth progress bar
)


@contextlib.contextmanager
def workers(number: int | None, name: str) -> Iterator[Executor]:
    """Gives a pool of so many threads, for a generator that may be left before its end: then nothing is waited for. The
    garbage collector may close it in any thread and at any moment, even while that thread is being started and holds a
    lock that joining another needs (Python 3.11: threading._shutdown_locks_lock).
    """
    from concurrent.futures import ThreadPoolExecutor

    pool, is_left = ThreadPoolExecutor(number, name), False
    try:
        yield pool
    except GeneratorExit:
        is_left = True
        raise
    finally:
        pool.shutdown(wait=not is_left, cancel_futures=True)


def in_order(pool: Executor, work: Callable[[int], T], items: Iterable[int], ahead: int) -> Iterator[T]:
    """Yields what `work` makes of each item, in order, while the pool is at work on the next `ahead` of them."""
    left = iter(items)
    coming = deque(pool.submit(work, item) for item in islice(left, ahead))
    while coming:
        found = coming.popleft().result()
        coming.extend(pool.submit(work, item) for item in islice(left, 1))
        yield found


def decoded_ahead(preprocessing: Preprocessing, sources: Sequence[Picture], batch: int) -> Iterator[list[Decoded]]:
    """Yields what becomes of the pictures, `batch` at a time and in order; the next batches are being decoded."""

    def job(first: int) -> list[Decoded]:
        return [decoded_or_why(preprocessing, sources[index]) for index in range(first, min(first + JOB, len(sources)))]

    if len(sources) == 1:  # nothing is ahead of it
        yield [decoded_or_why(preprocessing, sources[0])]
        return
    with workers(os.cpu_count(), "striate-decode") as pool:
        jobs = in_order(pool, job, range(0, len(sources), JOB), max(1, AHEAD * batch // JOB))
        pictures = chain.from_iterable(jobs)
        while found := list(islice(pictures, batch)):
            yield found


def for_each(task: str, total: int, job: Callable[[int], None], progress: Progress) -> None:
    """Does a job for each of `total` pictures, by number and in all cores; an error ends it."""

    def jobs(chunk: range) -> int:
        for index in chunk:
            job(index)
        return len(chunk)

    from concurrent.futures import ThreadPoolExecutor

    chunks = (range(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK))
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.task(task, total, "pictures") as shown:
        try:
            for done in pool.map(jobs, chunks):
                shown.advance(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def decoded_or_why(preprocessing: Preprocessing, source: Picture) -> Decoded:
    """Returns the picture's (h, w, c) pixels, or the reason why it has none."""
    try:
        return preprocessing(source)
    except PictureError as error:
        return error.problem
