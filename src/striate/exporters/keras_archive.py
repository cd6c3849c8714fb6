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
from striate.exporters.serving_model import build_metadata_json, build_serving_model
from striate.models.onnx_model import METADATA_NAME
from striate.models.predictor import PredictFunction
from striate.system.backend import keras


def write_keras_archive(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes the file, striate.json beside Keras' own members: Keras loads it with that, and drops it when it saves
    again. It takes any number of images, whatever `batch_size`.
    """
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        named = Path(folder) / "classifier.keras"  # Keras insists on the ending
        build_serving_model(classifier).save(named)
        with zipfile.ZipFile(named, "a") as archive:
            archive.writestr(f"{METADATA_NAME}.json", build_metadata_json(classifier))
        shutil.copyfile(named, path)


def load_keras_archive(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the file's answers, by Keras; only ever for a file that was just written."""
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        named = Path(folder) / "classifier.keras"
        shutil.copyfile(path, named)
        model = keras.models.load_model(named, compile=False)

    def predict(images: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = keras.ops.convert_to_numpy(model(images, training=False))
        return np.asarray(found)

    return predict
