"""SavedModel: a folder for TensorFlow and TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters.serving_model import (
    INPUT_NAME,
    OUTPUT_NAME,
    build_metadata_json,
    require_tensorflow,
    write_tf_graph,
)
from striate.models.onnx_model import METADATA_NAME, split_into_batches
from striate.models.predictor import PredictFunction


def write_saved_model(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes the folder; class names and contract are its assets.extra/striate.json, where TensorFlow leaves room for
    what is not its own.
    """
    require_tensorflow("saved_model")
    write_tf_graph(classifier, path, batch_size)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / f"{METADATA_NAME}.json").write_text(build_metadata_json(classifier), encoding="utf-8")


def load_saved_model(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the folder's answers, by TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def predict(images: NDArray[Any], _keep_alive: Any = loaded) -> NDArray[Any]:
        return np.asarray(signature(**{INPUT_NAME: tf.constant(images)})[OUTPUT_NAME])

    return split_into_batches(predict, batch_size)
