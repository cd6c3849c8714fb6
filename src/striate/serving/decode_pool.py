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
from striate.serving.batching import all_of
from striate.serving.settings import Limits

Decoded = NDArray[np.uint8] | str
Then: TypeAlias = "Callable[[NDArray[np.uint8], asyncio.Future[Any]], None]"
LOG = logging.getLogger("striate.serving")
TOGETHER = 16  # pictures in one message
AGAIN = 1.0  # seconds until a process that could not be started is tried again
CRASHED = "it brought the decoder down"
TOO_SLOW = "it takes too long to decode"


@dataclass(eq=False)
class _Job:
    """One picture that waits for its pixels."""

    form: bytes
    shape: tuple[int, int, int]
    data: bytes
    result: asyncio.Future[Any]
    then: Then


class Decoders:
    """A few decoding processes that share what waits.

    Args:
        limits: how many, and what one picture may cost.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.restarts = 0
        self._waiting: deque[_Job] = deque()
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the processes; returns once each has answered."""
        ready = [asyncio.Event() for _ in range(self.limits.decoders)]
        self._tasks = [asyncio.create_task(self._work(event)) for event in ready]
        for event in ready:
            await event.wait()

    async def stop(self) -> None:
        """Ends the processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def decode(self, form: Preprocessing, pictures: Sequence[bytes]) -> list[Decoded]:
        """Returns each picture's (h, w, c) pixels as the form wants them, or why it has none."""
        loop = asyncio.get_running_loop()
        results: list[asyncio.Future[Decoded]] = [loop.create_future() for _ in pictures]
        self.put(form, pictures, results, lambda pixels, result: result.set_result(pixels))
        return await all_of(results)

    def put(
        self, form: Preprocessing, pictures: Sequence[bytes], results: Sequence[asyncio.Future[Any]], then: Then
    ) -> None:
        """Takes pictures. With each one's pixels and its result `then` is called, as soon as there are any; where there
        are none, why is the result.
        """
        text = _written(form)
        self._waiting.extend(
            _Job(text, form.shape, data, result, then) for data, result in zip(pictures, results, strict=True)
        )
        self._some.set()

    async def _work(self, ready: asyncio.Event) -> None:
        process = await self._started()
        try:
            while True:
                ready.set()
                jobs = await self._next()
                if process.returncode is not None:  # it was ended from outside: no picture's fault
                    process = await self._another(process)
                process = await self._settle(process, jobs)
        finally:
            await _ended(process)

    async def _settle(self, process: Process, jobs: list[_Job]) -> Process:
        """Tells the jobs their answers; returns the process, or the one that took its place. Which of several brought
        it down is found by asking for each alone.
        """
        answered, problem = await self._asked(process, jobs)
        if problem is None:
            _tell(jobs, answered)
            return process
        process = await self._another(process)
        if len(jobs) == 1:
            _tell(jobs, [problem])
            return process
        for job in jobs:
            process = await self._settle(process, [job])
        return process

    async def _another(self, process: Process) -> Process:
        await _ended(process)
        self.restarts += 1
        return await self._started()

    async def _next(self) -> list[_Job]:
        """Returns the jobs that wait, of one form and at most TOGETHER; those whose client has left are dropped."""
        while True:
            while not self._waiting:
                self._some.clear()
                await self._some.wait()
            share = max(1, min(TOGETHER, -(-len(self._waiting) // self.limits.decoders)))
            jobs: list[_Job] = []
            while self._waiting and len(jobs) < share:
                if self._waiting[0].result.done():
                    self._waiting.popleft()
                elif jobs and self._waiting[0].form != jobs[0].form:
                    break
                else:
                    jobs.append(self._waiting.popleft())
            if jobs:
                return jobs

    async def _started(self) -> Process:
        """Returns a process that has answered; what it takes to start is no picture's time. Where the system starts
        none (no memory, too many files), it is asked again: whoever waits here has nobody to tell.
        """
        while True:
            try:
                process = await self._begun()
            except OSError as error:
                LOG.error("no decoding process can be started: %s", error)
                await asyncio.sleep(AGAIN)
            else:
                break
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the first picture will say so
            process.stdin.write(decode_worker.question(b"", []))
            await process.stdout.readexactly(decode_worker.NUMBER.size)
        return process

    async def _begun(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "striate.serving.decode_worker", str(self.limits.decoder_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, MAX_PIXELS_VARIABLE: str(self.limits.pixels)},
            limit=1 << 20,
        )

    async def _asked(self, process: Process, jobs: list[_Job]) -> tuple[list[Decoded], str | None]:
        """Returns the answers, or none and what went wrong."""
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(self.limits.decode_seconds * len(jobs)):
                process.stdin.write(decode_worker.question(jobs[0].form, [job.data for job in jobs]))
                await process.stdin.drain()
                (length,) = decode_worker.NUMBER.unpack(await process.stdout.readexactly(decode_worker.NUMBER.size))
                if length > decode_worker.longest(len(jobs), jobs[0].shape):
                    return [], CRASHED
                found = decode_worker.read_answer(await process.stdout.readexactly(length), jobs[0].shape)
        except TimeoutError:
            return [], TOO_SLOW
        except (
            OSError,
            asyncio.IncompleteReadError,
            ValueError,
            decode_worker.Error,
        ):  # whoever took it over may say anything
            return [], CRASHED
        return (found, None) if len(found) == len(jobs) else ([], CRASHED)


async def _ended(process: Process) -> None:
    """Ends a process, or one that has ended already and was noticed: asyncio then has none to kill."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@cache
def _written(form: Preprocessing) -> bytes:
    return to_json(form).encode()


def _tell(jobs: Sequence[_Job], answers: Sequence[Decoded]) -> None:
    for job, answer in zip(jobs, answers, strict=True):
        if job.result.done():
            continue
        if isinstance(answer, str):
            job.result.set_result(answer)
        else:
            job.then(answer, job.result)
