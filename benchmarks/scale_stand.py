"""What the rows of scale.py share: the computers, the images, a classifier, and Striate's own command."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scale_hosts import Hosts

STRIATE = [sys.executable, "-m", "striate"]
LONG = 300.0  # seconds in which something has to happen


class Stand:
    """A row's folder and what it uses.

    Args:
        data: the folder of data.
        folder: the row's own.
        hosts: two computers.
    """

    def __init__(self, data: Path, folder: Path, hosts: Hosts) -> None:
        self.data, self.folder, self.hosts = data.resolve(), folder, hosts

    def classifier(self, network: str, side: int) -> Path:
        """Returns an untrained classifier of cats and dogs, as an ONNX file."""
        return untrained(self.folder / f"{network}-{side}.onnx", network, side)

    def pictures(self, number: int) -> Path:
        """Returns a folder of so many photographs."""
        folder = self.folder / f"pictures-{number}"
        if not folder.is_dir():
            folder.mkdir()
            for at, path in enumerate(sorted((self.data / "cats_dogs").rglob("*.jpg"))[:number]):
                (folder / f"{at:06}.jpg").symlink_to(path)
        return folder


def untrained(path: Path, network: str, side: int) -> Path:
    """Returns the ONNX file of an untrained classifier of cats and dogs."""
    if not path.is_file():
        from striate.classifier import Classifier
        from striate.data.preprocessing import Preprocessing
        from striate.exporters import onnx
        from striate.models.architecture import build_model
        from striate.models.registry import ARCHITECTURES

        model = build_model(ARCHITECTURES[network], (side, side, 3), 2)
        onnx.write_onnx(Classifier(model, ("cat", "dog"), Preprocessing(side, side, 3)), path, None)
    return path


def small(folder: Path) -> Path:
    """Returns a small one."""
    return untrained(folder / "small.onnx", "lenet", 28)


def wait_for(happened: Callable[[], Any]) -> Any:
    """Returns what `happened` returns, as soon as that is something."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.02)
    raise TimeoutError("it did not happen")


def history(run: Path) -> list[dict[str, float]]:
    """Returns a run's epochs so far."""
    try:
        with (run / "history.csv").open(encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError):
        return []
