"""MNIST's and Fashion-MNIST's files as they were published, for the tutorials' scripts."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from keras import utils


def pictures(folder: Path, name: str) -> tuple[Any, Any]:
    """Returns float32 images (n, 28, 28, 1) in 0..1 and one-hot labels of `train` or `t10k`."""
    pixels = _bytes(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    return pixels.astype("float32") / 255, utils.to_categorical(_bytes(folder / f"{name}-labels-idx1-ubyte.gz", 8))


def _bytes(path: Path, header: int) -> Any:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)[header:]
