"""Dynamic batching: while the network is at work, what comes in gathers, and is answered together next."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier

Row = NDArray[np.float64]


class Batcher:
    """Answers pictures one by one, computing them in batches.

    Nothing waits for company: an idle network takes at once what there is. Under load a batch is what came in while the
    last one was computed, so that batches grow with the load and latency does not pay for them without it.

    Args:
        classifier: that answers.
        most: pictures in a batch.
    """

    def __init__(self, classifier: Classifier, most: int) -> None:
        self.classifier, self.most = classifier, most
        self.sizes: deque[int] = deque(maxlen=1000)
        self._waiting: deque[tuple[NDArray[np.uint8], asyncio.Future[Row]]] = deque()
        self._thread = ThreadPoolExecutor(1, "striate-network")
        self._working: asyncio.Task[None] | None = None

    async def answer(self, pixels: NDArray[np.uint8]) -> Row:
        """Returns the (classes,) probabilities of one preprocessed picture."""
        result: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, result))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await result

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch: list[tuple[NDArray[np.uint8], asyncio.Future[Row]]] = []
            while self._waiting and len(batch) < self.most:
                one = self._waiting.popleft()
                if not one[1].cancelled():
                    batch.append(one)
            if not batch:
                continue
            self.sizes.append(len(batch))
            stack = np.stack([pixels for pixels, _ in batch])
            try:
                rows = await loop.run_in_executor(self._thread, self.classifier.probabilities, stack)
            except Exception as error:  # the network's own: each of its requests is told, and the next batch is tried
                for _, result in batch:
                    if not result.done():
                        result.set_exception(error)
                continue
            for row, (_, result) in zip(rows, batch, strict=True):
                if not result.done():
                    result.set_result(row)

    async def close(self) -> None:
        """Waits for what is being computed."""
        if self._working is not None:
            await self._working
        self._thread.shutdown()
