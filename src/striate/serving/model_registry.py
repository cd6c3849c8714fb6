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
from striate.prediction import Prediction, build_prediction
from striate.serving.batching import Batcher, gather_or_cancel
from striate.serving.decode_pool import DecodePool
from striate.serving.http_errors import RequestError
from striate.serving.settings import ServerLimits

HALF_LIFE_SECONDS = 1.0  # seconds of work after which what was seen counts half


class ThroughputEstimator:
    """Counts images in and out; seconds in which there is none do not count.

    Args:
        clock: the clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.pending_images = 0
        self._clock, self._last_update = clock, 0.0
        self._completed_images = self._busy_seconds = 0.0

    def add_images(self, count: int) -> None:
        """Counts images that wait from now on."""
        if not self.pending_images:
            self._last_update = self._clock()
        self.pending_images += count

    def remove_images(self, count: int) -> None:
        """Counts images that wait no more."""
        now = self._clock()
        passed, self._last_update = now - self._last_update, now
        kept = 0.5 ** (passed / HALF_LIFE_SECONDS)
        self._completed_images, self._busy_seconds = (
            self._completed_images * kept + count,
            self._busy_seconds * kept + passed,
        )
        self.pending_images -= count

    @property
    def expected_wait(self) -> float:
        """Seconds that those who wait will need at this pace; 0 while nothing is known of it."""
        return self.pending_images * self._busy_seconds / self._completed_images if self._completed_images else 0.0


LOG = logging.getLogger("striate.serving")


@dataclass(eq=False)
class ServedModel:
    """One classifier behind a name.

    Attributes:
        name: in addresses.
        classifier: that answers.
        version: of its weights and its contract, 12 hexadecimal digits.
        test_metrics: what is known of its quality: accuracy, interval, number of images; may be empty.
        pages: name → a page of its run's.
        reload: returns it as it lies on the disk now; None where it cannot be looked for again.
    """

    name: str
    classifier: Classifier
    version: str
    test_metrics: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, Path] = field(default_factory=dict)
    reload: Callable[[], ServedModel] | None = None
    batcher: Batcher = field(init=False)

    def warm_up(self, limits: ServerLimits) -> None:
        """Makes it ready to answer: the first answer, which prepares memory and kernels, is no client's.

        Raises:
            ClassifierError: it answers with what is no number.
        """
        self.batcher = Batcher(self.classifier, limits.max_batch_size)
        for number in (1, limits.max_batch_size):
            rows = self.classifier.predict_probabilities(
                np.zeros((number, *self.classifier.preprocessing.shape), np.uint8)
            )
            if not np.isfinite(rows).all():
                raise ClassifierError("This classifier answers with what is no number", received=self.name)


def compute_version(path: Path) -> str:
    """Returns a version that changes with any byte of a classifier's file, or of its folder's manifest.

    Raises:
        ClassifierError: it cannot be read.
    """
    file = path / "classifier.json" if path.is_dir() else path
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise ClassifierError(f"The classifier cannot be read: {error.strerror}", received=file) from None


class ModelRegistry:
    """All of it.

    Args:
        served_models: classifiers, each with another name; the first one answers where none is named.
        limits: the bounds.
    """

    def __init__(self, served_models: Sequence[ServedModel], limits: ServerLimits) -> None:
        self.limits, self.decode_pool = limits, DecodePool(limits)
        self.served_models = {one.name: one for one in served_models}
        self.throughput = ThroughputEstimator()
        self.is_ready, self.is_shutting_down = False, False
        self._reload_lock = asyncio.Lock()

    async def start(self) -> None:
        """Returns once every request can be answered."""
        await asyncio.gather(
            self.decode_pool.start(),
            *(asyncio.to_thread(one.warm_up, self.limits) for one in self.served_models.values()),
        )
        self.is_ready = True

    async def announce_shutdown(self) -> None:
        """Answers on for a moment, and tells everyone that it will not."""
        self.is_ready, self.is_shutting_down = False, True
        await asyncio.sleep(self.limits.shutdown_delay_seconds)

    async def close(self) -> None:
        """Finishes what is being computed, and ends the processes."""
        self.is_ready = False
        for one in self.served_models.values():
            await one.batcher.close()
        await self.decode_pool.stop()

    async def reload_model(self, name: str) -> str:
        """Returns the version that answers under this name from now on: the one that lies on the disk. Until it has
        answered, and wherever it cannot, the one before answers; that one goes when its last request has been answered.

        Raises:
            Fault: there is no such classifier, or what lies there cannot answer.
        """
        async with self._reload_lock:
            old = self.get_model(name)
            if old.reload is None:
                raise RequestError("unloadable", "it was handed over in memory")
            try:
                new = await asyncio.to_thread(old.reload)
                if new.version != old.version:
                    await asyncio.to_thread(new.warm_up, self.limits)
                    self.served_models[name] = new
            except StriateError as error:
                LOG.warning("%s: the new version is refused: %s", name, error)
                raise RequestError("unloadable", error.problem) from None
            except Exception:
                LOG.exception("%s: the new version is refused", name)
                raise RequestError("unloadable") from None
            return new.version

    def get_model(self, name: str | None) -> ServedModel:
        """Returns the classifier of that name, or the first.

        Raises:
            Fault: there is none.
        """
        if name is None:
            return next(iter(self.served_models.values()))
        try:
            return self.served_models[name]
        except KeyError:
            raise RequestError("absent", "no classifier of that name") from None

    @contextlib.contextmanager
    def reserve_capacity(self, image_count: int) -> Iterator[None]:
        """Counts so many images in while the block runs.

        Raises:
            Fault: busy.
        """
        waiting, most = self.throughput.pending_images, self.limits
        if waiting and waiting + image_count > most.max_pending_images:
            raise RequestError("busy")
        if waiting >= most.max_batch_size and self.throughput.expected_wait > most.max_wait_seconds:
            raise RequestError("busy")
        self.throughput.add_images(image_count)
        try:
            yield
        finally:
            self.throughput.remove_images(image_count)

    async def predict_images(self, served_model: ServedModel, encoded_images: Sequence[bytes]) -> list[Prediction]:
        """Returns a prediction for each encoded image; those that cannot be decoded say why."""
        coming = _create_futures(len(encoded_images))
        own = served_model.classifier
        self.decode_pool.put_images(own.preprocessing, encoded_images, coming, served_model.batcher.put)
        found = []
        for number, one in enumerate(await _gather_predictions(coming)):
            name = f"image {number}"
            if isinstance(one, str):
                found.append(Prediction(name, None, None, {}, error=one))
            else:
                found.append(build_prediction(name, own.classes, one, own.reject_below))
        return found

    async def predict_probabilities(
        self, served_model: ServedModel, pixels: Sequence[NDArray[np.uint8]]
    ) -> list[NDArray[np.float64]]:
        """Returns the (classes,) probabilities of each preprocessed image.

        Raises:
            Fault: the network failed.
        """
        coming = _create_futures(len(pixels))
        for one, result in zip(pixels, coming, strict=True):
            served_model.batcher.put(one, result)
        return await _gather_predictions(coming)


def _create_futures(count: int) -> list[asyncio.Future[Any]]:
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(count)]


async def _gather_predictions(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    try:
        return await gather_or_cancel(futures)
    except Exception as error:
        raise RequestError("failed") from error
