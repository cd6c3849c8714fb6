"""Dynamic batching: while the network is at work, what comes in gathers, and is answered together next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier

T = TypeVar("T")
ProbabilityRow: TypeAlias = NDArray[np.float64]
BatchItem: TypeAlias = "tuple[NDArray[np.uint8], asyncio.Future[ProbabilityRow]]"


async def gather_or_cancel(futures: Sequence[asyncio.Future[T]]) -> list[T]:
    """Returns their results, in order. Where the wait ends before (its client has left), none of them is wanted."""
    try:
        return [await one for one in futures]
    finally:
        for one in futures:
            one.cancel()  # does nothing to those that are done


class Batcher:
    """Answers images one by one, computing them in batches.

    Nothing waits for company: an idle model takes at once what there is. Under load a batch is what came in while the
    last one was computed, so that batches grow with the load and latency does not pay for them without it. The next one
    is on its way before anybody is told of the last.

    Args:
        classifier: that answers.
        max_batch_size: images in a batch.
    """

    def __init__(self, classifier: Classifier, max_batch_size: int) -> None:
        self.classifier, self.max_batch_size = classifier, max_batch_size
        self.batch_sizes: deque[int] = deque(maxlen=1000)
        self._queue: deque[BatchItem] = deque()
        self._executor = ThreadPoolExecutor(1, "striate-network")
        self._is_busy = False
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, pixels: NDArray[np.uint8], future: asyncio.Future[ProbabilityRow]) -> None:
        """Takes one preprocessed image, whose (classes,) probabilities will be the result."""
        self._queue.append((pixels, future))
        if not self._is_busy:
            self._is_busy = True
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._start_batch)  # with what else is put before this turn ends

    def _start_batch(self) -> None:
        """Has the next batch computed."""
        batch: list[BatchItem] = []
        while self._queue and len(batch) < self.max_batch_size:
            one = self._queue.popleft()
            if not one[1].done():  # otherwise its client has left
                batch.append(one)
        if not batch:
            self._is_busy = False
            self._idle.set()
            return
        self.batch_sizes.append(len(batch))
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._predict_batch, batch)
        work.add_done_callback(lambda done: self._deliver_results(batch, done))

    def _predict_batch(self, batch: Sequence[BatchItem]) -> NDArray[np.float64]:
        return self.classifier.predict_probabilities(np.stack([pixels for pixels, _ in batch]))

    def _deliver_results(self, batch: Sequence[BatchItem], future: asyncio.Future[NDArray[np.float64]]) -> None:
        """Tells a batch its answers; where the network failed, each of its images is told so."""
        self._start_batch()
        error = future.exception()
        for number, (_, result) in enumerate(batch):
            if result.done():
                continue
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(future.result()[number])

    async def close(self) -> None:
        """Waits for what is being computed."""
        await self._idle.wait()
        self._executor.shutdown()
