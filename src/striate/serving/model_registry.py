"""What a server holds: its classifiers, the processes that decode, and how much it takes on."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.errors import ClassifierError, StriateError
from striate.prediction import Prediction, predicted
from striate.serving.batching import Batcher, all_of
from striate.serving.decode_pool import Decoders
from striate.serving.http_errors import Fault
from striate.serving.settings import Limits

HALF = 1.0  # seconds of work after which what was seen counts half


class Pace:
    """Counts pictures in and out; seconds in which there is none do not count.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.waiting = 0
        self._now, self._last = now, 0.0
        self._done = self._seconds = 0.0

    def enter(self, pictures: int) -> None:
        """Counts pictures that wait from now on."""
        if not self.waiting:
            self._last = self._now()
        self.waiting += pictures

    def leave(self, pictures: int) -> None:
        """Counts pictures that wait no more."""
        now = self._now()
        passed, self._last = now - self._last, now
        kept = 0.5 ** (passed / HALF)
        self._done, self._seconds = self._done * kept + pictures, self._seconds * kept + passed
        self.waiting -= pictures

    @property
    def wait(self) -> float:
        """Seconds that those who wait will need at this pace; 0 while nothing is known of it."""
        return self.waiting * self._seconds / self._done if self._done else 0.0


LOG = logging.getLogger("striate.serving")


@dataclass(eq=False)
class Served:
    """One classifier behind a name.

    Attributes:
        name: in addresses.
        classifier: that answers.
        version: of its weights and its contract, 12 hexadecimal digits.
        about: what is known of its quality: accuracy, interval, number of pictures; may be empty.
        pages: name → a page of its run's.
        again: returns it as it lies on the disk now; None where it cannot be looked for again.
    """

    name: str
    classifier: Classifier
    version: str
    about: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, Path] = field(default_factory=dict)
    again: Callable[[], Served] | None = None
    batcher: Batcher = field(init=False)

    def adopt(self, limits: Limits) -> None:
        """Makes it ready to answer: the first answer, which prepares memory and kernels, is no client's.

        Raises:
            ClassifierError: it answers with what is no number.
        """
        self.batcher = Batcher(self.classifier, limits.batch)
        for number in (1, limits.batch):
            rows = self.classifier.probabilities(np.zeros((number, *self.classifier.preprocessing.shape), np.uint8))
            if not np.isfinite(rows).all():
                raise ClassifierError("This classifier answers with what is no number", received=self.name)


def version_of(path: Path) -> str:
    """Returns a version that changes with any byte of a classifier's file, or of its folder's manifest.

    Raises:
        ClassifierError: it cannot be read.
    """
    file = path / "classifier.json" if path.is_dir() else path
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise ClassifierError(f"The classifier cannot be read: {error.strerror}", received=file) from None


class House:
    """All of it.

    Args:
        served: classifiers, each with another name; the first one answers where none is named.
        limits: the bounds.
    """

    def __init__(self, served: Sequence[Served], limits: Limits) -> None:
        self.limits, self.decoders = limits, Decoders(limits)
        self.served = {one.name: one for one in served}
        self.pace = Pace()
        self.is_ready, self.is_leaving = False, False
        self._swapping = asyncio.Lock()

    async def open(self) -> None:
        """Returns once every request can be answered."""
        await asyncio.gather(
            self.decoders.start(), *(asyncio.to_thread(one.adopt, self.limits) for one in self.served.values())
        )
        self.is_ready = True

    async def leave(self) -> None:
        """Answers on for a moment, and tells everyone that it will not."""
        self.is_ready, self.is_leaving = False, True
        await asyncio.sleep(self.limits.leave_seconds)

    async def close(self) -> None:
        """Finishes what is being computed, and ends the processes."""
        self.is_ready = False
        for one in self.served.values():
            await one.batcher.close()
        await self.decoders.stop()

    async def load(self, name: str) -> str:
        """Returns the version that answers under this name from now on: the one that lies on the disk. Until it has
        answered, and wherever it cannot, the one before answers; that one goes when its last request has been answered.

        Raises:
            Fault: there is no such classifier, or what lies there cannot answer.
        """
        async with self._swapping:
            old = self.named(name)
            if old.again is None:
                raise Fault("unloadable", "it was handed over in memory")
            try:
                new = await asyncio.to_thread(old.again)
                if new.version != old.version:
                    await asyncio.to_thread(new.adopt, self.limits)
                    self.served[name] = new
            except StriateError as error:
                LOG.warning("%s: the new version is refused: %s", name, error)
                raise Fault("unloadable", error.problem) from None
            except Exception:
                LOG.exception("%s: the new version is refused", name)
                raise Fault("unloadable") from None
            return new.version

    def named(self, name: str | None) -> Served:
        """Returns the classifier of that name, or the first.

        Raises:
            Fault: there is none.
        """
        if name is None:
            return next(iter(self.served.values()))
        try:
            return self.served[name]
        except KeyError:
            raise Fault("absent", "no classifier of that name") from None

    @contextlib.contextmanager
    def room_for(self, pictures: int) -> Iterator[None]:
        """Counts so many pictures in while the block runs.

        Raises:
            Fault: busy.
        """
        waiting, most = self.pace.waiting, self.limits
        if waiting and waiting + pictures > most.waiting:
            raise Fault("busy")
        if waiting >= most.batch and self.pace.wait > most.wait_seconds:
            raise Fault("busy")
        self.pace.enter(pictures)
        try:
            yield
        finally:
            self.pace.leave(pictures)

    async def answers(self, served: Served, pictures: Sequence[bytes]) -> list[Prediction]:
        """Returns a prediction for each encoded picture; those that cannot be decoded say why."""
        coming = _futures(len(pictures))
        own = served.classifier
        self.decoders.put(own.preprocessing, pictures, coming, served.batcher.put)
        found = []
        for number, one in enumerate(await _answered(coming)):
            name = f"picture {number}"
            if isinstance(one, str):
                found.append(Prediction(name, None, None, {}, error=one))
            else:
                found.append(predicted(name, own.classes, one, own.reject_below))
        return found

    async def shares(self, served: Served, pixels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float64]]:
        """Returns the (classes,) probabilities of each preprocessed picture.

        Raises:
            Fault: the network failed.
        """
        coming = _futures(len(pixels))
        for one, result in zip(pixels, coming, strict=True):
            served.batcher.put(one, result)
        return await _answered(coming)


def _futures(number: int) -> list[asyncio.Future[Any]]:
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(number)]


async def _answered(coming: Sequence[asyncio.Future[Any]]) -> list[Any]:
    try:
        return await all_of(coming)
    except Exception as error:
        raise Fault("failed") from error
