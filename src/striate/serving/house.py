"""What a server holds: its classifiers, the processes that decode, and how much it takes on."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.prediction import Prediction, predicted
from striate.serving.batching import Batcher
from striate.serving.decoders import Decoders
from striate.serving.faults import Fault
from striate.serving.limits import Limits


@dataclass(eq=False)
class Served:
    """One classifier behind a name.

    Attributes:
        name: in addresses.
        classifier: that answers.
        version: of its weights and its contract, 12 hexadecimal digits.
        about: what is known of its quality: accuracy, interval, number of pictures; may be empty.
    """

    name: str
    classifier: Classifier
    version: str
    about: dict[str, Any] = field(default_factory=dict)
    batcher: Batcher = field(init=False)

    def adopt(self, limits: Limits) -> None:
        """Makes it ready to answer: the first answer, which prepares memory and kernels, is no client's."""
        self.batcher = Batcher(self.classifier, limits.batch)
        for number in (1, limits.batch):
            self.classifier.probabilities(np.zeros((number, *self.classifier.preprocessing.shape), np.uint8))


def version_of_files(path: Path) -> str:
    """Returns a version that changes with any byte of a classifier's file, or of its folder's manifest."""
    digest = hashlib.sha256((path / "classifier.json" if path.is_dir() else path).read_bytes())
    return digest.hexdigest()[:12]


class House:
    """All of it.

    Args:
        served: classifiers, each with another name; the first one answers where none is named.
        limits: the bounds.
    """

    def __init__(self, served: Sequence[Served], limits: Limits) -> None:
        self.limits, self.decoders = limits, Decoders(limits)
        self.served = {one.name: one for one in served}
        self.waiting = 0
        self.is_ready = False

    async def open(self) -> None:
        """Returns once every request can be answered."""
        await asyncio.gather(
            self.decoders.start(), *(asyncio.to_thread(one.adopt, self.limits) for one in self.served.values())
        )
        self.is_ready = True

    async def close(self) -> None:
        """Finishes what is being computed, and ends the processes."""
        self.is_ready = False
        for one in self.served.values():
            await one.batcher.close()
        await self.decoders.stop()

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
        if self.waiting and self.waiting + pictures > self.limits.waiting:
            raise Fault("busy")
        self.waiting += pictures
        try:
            yield
        finally:
            self.waiting -= pictures

    async def answers(self, served: Served, pictures: Sequence[bytes]) -> list[Prediction]:
        """Returns a prediction for each encoded picture; those that cannot be decoded say why."""
        decoded = await self.decoders.decode(served.classifier.preprocessing, pictures)
        whole = [one for one in decoded if not isinstance(one, str)]
        rows = iter(await self.shares(served, whole))
        found = []
        for number, one in enumerate(decoded):
            name = f"picture {number}"
            if isinstance(one, str):
                found.append(Prediction(name, None, None, {}, error=one))
            else:
                found.append(predicted(name, served.classifier.classes, next(rows), served.classifier.reject_below))
        return found

    async def shares(self, served: Served, pixels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float64]]:
        """Returns the (classes,) probabilities of each preprocessed picture.

        Raises:
            Fault: the network failed.
        """
        try:
            return list(await asyncio.gather(*(served.batcher.answer(one) for one in pixels)))
        except Exception as error:
            raise Fault("failed") from error
