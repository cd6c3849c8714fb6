"""Decoding in processes of their own: what crashes, grows or hangs there costs its own request an error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from striate.config import to_json
from striate.data.decoding import MAX_PIXELS_VARIABLE
from striate.data.preprocessing import Preprocessing
from striate.serving import decode_worker
from striate.serving.batching import gather_or_cancel
from striate.serving.settings import ServerLimits

DecodeResult = NDArray[np.uint8] | str
DecodeCallback: TypeAlias = "Callable[[NDArray[np.uint8], asyncio.Future[Any]], None]"
LOG = logging.getLogger("striate.serving")
MAX_IMAGES_PER_MESSAGE = 16  # images in one message
RESTART_DELAY_SECONDS = 1.0  # seconds until a process that could not be started is tried again
DECODER_CRASH_REASON = "it brought the decoder down"
DECODER_TIMEOUT_REASON = "it takes too long to decode"


@dataclass(eq=False)
class _DecodeJob:
    """One image that waits for its pixels."""

    preprocessing_json: bytes
    shape: tuple[int, int, int]
    encoded_image: bytes
    future: asyncio.Future[Any]
    callback: DecodeCallback


class DecodePool:
    """A few decoding processes that share what waits.

    Args:
        limits: how many, and what one image may cost.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.restart_count = 0
        self._queue: deque[_DecodeJob] = deque()
        self._has_jobs = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the processes; returns once each has answered."""
        ready = [asyncio.Event() for _ in range(self.limits.decode_workers)]
        self._tasks = [asyncio.create_task(self._run_worker(event)) for event in ready]
        for event in ready:
            await event.wait()

    async def stop(self) -> None:
        """Ends the processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def decode(self, preprocessing: Preprocessing, images: Sequence[bytes]) -> list[DecodeResult]:
        """Returns each image's (h, w, c) pixels as the form wants them, or why it has none."""
        loop = asyncio.get_running_loop()
        results: list[asyncio.Future[DecodeResult]] = [loop.create_future() for _ in images]
        self.put_images(preprocessing, images, results, lambda pixels, result: result.set_result(pixels))
        return await gather_or_cancel(results)

    def put_images(
        self,
        preprocessing: Preprocessing,
        images: Sequence[bytes],
        futures: Sequence[asyncio.Future[Any]],
        callback: DecodeCallback,
    ) -> None:
        """Takes images. With each one's pixels and its result `callback` is called, as soon as there are any; where
        there are none, why is the result.
        """
        text = _serialize_preprocessing(preprocessing)
        self._queue.extend(
            _DecodeJob(text, preprocessing.shape, data, result, callback)
            for data, result in zip(images, futures, strict=True)
        )
        self._has_jobs.set()

    async def _run_worker(self, ready: asyncio.Event) -> None:
        process = await self._start_process()
        try:
            while True:
                ready.set()
                jobs = await self._take_jobs()
                if process.returncode is not None:  # it was ended from outside: no image's fault
                    process = await self._replace_process(process)
                process = await self._process_jobs(process, jobs)
        finally:
            await _kill_process(process)

    async def _process_jobs(self, process: Process, jobs: list[_DecodeJob]) -> Process:
        """Tells the jobs their answers; returns the process, or the one that took its place. Which of several brought
        it down is found by asking for each alone.
        """
        predicted, problem = await self._decode_jobs(process, jobs)
        if problem is None:
            _deliver_results(jobs, predicted)
            return process
        process = await self._replace_process(process)
        if len(jobs) == 1:
            _deliver_results(jobs, [problem])
            return process
        for job in jobs:
            process = await self._process_jobs(process, [job])
        return process

    async def _replace_process(self, process: Process) -> Process:
        await _kill_process(process)
        self.restart_count += 1
        return await self._start_process()

    async def _take_jobs(self) -> list[_DecodeJob]:
        """Returns the jobs that wait, of one form and at most TOGETHER; those whose client has left are dropped."""
        while True:
            while not self._queue:
                self._has_jobs.clear()
                await self._has_jobs.wait()
            fraction = max(1, min(MAX_IMAGES_PER_MESSAGE, -(-len(self._queue) // self.limits.decode_workers)))
            jobs: list[_DecodeJob] = []
            while self._queue and len(jobs) < fraction:
                if self._queue[0].future.done():
                    self._queue.popleft()
                elif jobs and self._queue[0].preprocessing_json != jobs[0].preprocessing_json:
                    break
                else:
                    jobs.append(self._queue.popleft())
            if jobs:
                return jobs

    async def _start_process(self) -> Process:
        """Returns a process that has answered; what it takes to start is no image's time. Where the system starts
        none (no memory, too many files), it is asked again: whoever waits here has nobody to tell.
        """
        while True:
            try:
                process = await self._launch_process()
            except OSError as error:
                LOG.error("no decoding process can be started: %s", error)
                await asyncio.sleep(RESTART_DELAY_SECONDS)
            else:
                break
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the first image will say so
            process.stdin.write(decode_worker.encode_request(b"", []))
            await process.stdout.readexactly(decode_worker.LENGTH_STRUCT.size)
        return process

    async def _launch_process(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "striate.serving.decode_worker", str(self.limits.max_worker_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, MAX_PIXELS_VARIABLE: str(self.limits.max_pixels)},
            limit=1 << 20,
        )

    async def _decode_jobs(self, process: Process, jobs: list[_DecodeJob]) -> tuple[list[DecodeResult], str | None]:
        """Returns the answers, or none and what went wrong."""
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(self.limits.max_decode_seconds * len(jobs)):
                process.stdin.write(
                    decode_worker.encode_request(jobs[0].preprocessing_json, [job.encoded_image for job in jobs])
                )
                await process.stdin.drain()
                (length,) = decode_worker.LENGTH_STRUCT.unpack(
                    await process.stdout.readexactly(decode_worker.LENGTH_STRUCT.size)
                )
                if length > decode_worker.compute_max_response_size(len(jobs), jobs[0].shape):
                    return [], DECODER_CRASH_REASON
                found = decode_worker.parse_response(await process.stdout.readexactly(length), jobs[0].shape)
        except TimeoutError:
            return [], DECODER_TIMEOUT_REASON
        except (
            OSError,
            asyncio.IncompleteReadError,
            ValueError,
            decode_worker.MessageError,
        ):  # whoever took it over may say anything
            return [], DECODER_CRASH_REASON
        return (found, None) if len(found) == len(jobs) else ([], DECODER_CRASH_REASON)


async def _kill_process(process: Process) -> None:
    """Ends a process, or one that has ended already and was noticed: asyncio then has none to kill."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@cache
def _serialize_preprocessing(preprocessing: Preprocessing) -> bytes:
    return to_json(preprocessing).encode()


def _deliver_results(jobs: Sequence[_DecodeJob], results: Sequence[DecodeResult]) -> None:
    for job, prediction in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(prediction, str):
            job.future.set_result(prediction)
        else:
            job.callback(prediction, job.future)
