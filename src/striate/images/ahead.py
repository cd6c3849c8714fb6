"""Pictures on their way to a network: decoded in order, batch after batch, while it works on the one before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from striate.errors import PictureError
from striate.images.imageset import Picture
from striate.images.pixels import Preprocessing

Decoded = NDArray[np.uint8] | str
"""A picture's pixels, or why it has none."""

JOB = 16  # pictures a job: enough to hide the pool's overhead, few enough that the last job of a batch is short
AHEAD = 2  # batches


def decoded_ahead(preprocessing: Preprocessing, sources: Sequence[Picture], batch: int) -> Iterator[list[Decoded]]:
    """Yields what becomes of the pictures, `batch` at a time and in order; the next batches are being decoded."""

    def job(chunk: range) -> list[Decoded]:
        return [decoded_or_why(preprocessing, sources[index]) for index in chunk]

    def jobs(start: int) -> list[Future[list[Decoded]]]:
        end = min(start + batch, len(sources))
        return [pool.submit(job, range(first, min(first + JOB, end))) for first in range(start, end, JOB)]

    starts = iter(range(0, len(sources), batch))
    with ThreadPoolExecutor(os.cpu_count(), "striate-decode") as pool:
        coming = deque(jobs(start) for start in islice(starts, AHEAD))
        try:
            while coming:
                found = [picture for one in coming.popleft() for picture in one.result()]
                coming.extend(jobs(start) for start in islice(starts, 1))
                yield found
        finally:
            pool.shutdown(cancel_futures=True)


def decoded_or_why(preprocessing: Preprocessing, source: Picture) -> Decoded:
    """Returns the picture's (h, w, c) pixels, or the reason why it has none."""
    try:
        return preprocessing(source)
    except PictureError as error:
        return error.problem
