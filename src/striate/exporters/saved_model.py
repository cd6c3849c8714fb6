"""SavedModel: a folder for TensorFlow and TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters.serving_model import INPUT, NAME, OUTPUT, contract, require_tensorflow, save_graph
from striate.models.onnx_model import piecewise
from striate.models.predictor import Forward


def write(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes the folder; class names and contract are its assets.extra/striate.json, where TensorFlow leaves room for
    what is not its own.
    """
    require_tensorflow("saved_model")
    save_graph(classifier, path, batch)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / f"{NAME}.json").write_text(contract(classifier), encoding="utf-8")


def read(path: Path, batch: int | None) -> Forward:
    """Returns the folder's answers, by TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def answer(pictures: NDArray[Any], _keep: Any = loaded) -> NDArray[Any]:
        return np.asarray(signature(**{INPUT: tf.constant(pictures)})[OUTPUT])

    return piecewise(answer, batch)
