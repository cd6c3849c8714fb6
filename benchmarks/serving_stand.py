"""What is served in benchmarks/serving.py, and what its answers are when it is asked alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from asking import Reply, Server, request
from numpy.typing import NDArray
from PIL import Image

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.exporters.formats import EXPORT_FORMATS
from striate.exporters.verification import export_and_verify
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import set_seed

NEAR = 1e-5  # how far an answer in a batch may lie from the one alone


@dataclass
class Stand:
    """Files and images.

    Attributes:
        folder: for what else is written.
        versions: two exported files of the same classes.
        pictures: encoded.
        is_quick: less is asked.
    """

    folder: Path
    versions: tuple[Path, Path]
    pictures: list[bytes]
    is_quick: bool

    def server(self, file: Path | None = None) -> Server:
        """Returns a server of the file, by default of the first version, under the name `main`."""
        return Server(f"main={file or self.versions[0]}")

    def mobilenet(self, side: int) -> Path:
        """Returns an exported MobileNetV2 of so many pixels; untrained, since weights do not change the time."""
        path = self.folder / f"mobilenet_v2_{side}.onnx"
        if not path.exists():
            set_seed(0)
            form = Preprocessing(side, side, 3)
            model = build_model(ARCHITECTURES["mobilenet_v2"], form.shape, 10)
            classifier = Classifier(model, [str(digit) for digit in range(10)], form)
            export_and_verify(classifier, EXPORT_FORMATS["onnx"], path, np.zeros((2, *form.shape), np.uint8))
        return path

    @cached_property
    def requests(self) -> list[bytes]:
        """The images as requests."""
        return [request(one) for one in self.pictures]

    @cached_property
    def alone(self) -> list[NDArray[np.float64]]:
        """For each version the (n, classes) probabilities of the images, each asked for alone."""
        found = []
        for path in self.versions:
            one = Classifier.load(path)
            found.append(np.stack([one.predict_proba([image])[0] for image in self.pictures]))
        return found

    def is_right(self, number: int, reply: Reply, version: int = 0) -> bool:
        """Returns whether a reply says of image `number` what it was said of alone."""
        if reply.status != 200:
            return False
        given = reply.value["probabilities"]
        row = np.array([given[name] for name in sorted(given)])
        return bool(np.abs(row - self.alone[version][number]).max() <= NEAR)


def large_pictures(count: int) -> list[bytes]:
    """Returns JPEGs of 224×224."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        held = io.BytesIO()
        rows = rng.integers(0, 256, (14, 14, 3), np.uint8)
        Image.fromarray(rows).resize((224, 224)).save(held, "JPEG")
        found.append(held.getvalue())
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Returns milliseconds of seconds, at a percentile."""
    return round(1000 * float(np.percentile(values, share)), 1) if len(values) else float("nan")
