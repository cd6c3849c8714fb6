"""Keras' own file, for those who go on in Keras."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters.serving_model import NAME, contract, whole
from striate.models.predictor import Forward
from striate.system.backend import keras


def write(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes the file, striate.json beside Keras' own members: Keras loads it with that, and drops it when it saves
    again. It takes any number of pictures, whatever `batch`.
    """
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        named = Path(folder) / "classifier.keras"  # Keras insists on the ending
        whole(classifier).save(named)
        with zipfile.ZipFile(named, "a") as archive:
            archive.writestr(f"{NAME}.json", contract(classifier))
        shutil.copyfile(named, path)


def read(path: Path, batch: int | None) -> Forward:
    """Returns the file's answers, by Keras; only ever for a file that was just written."""
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        named = Path(folder) / "classifier.keras"
        shutil.copyfile(path, named)
        model = keras.models.load_model(named, compile=False)

    def answer(pictures: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = keras.ops.convert_to_numpy(model(pictures, training=False))
        return np.asarray(found)

    return answer
