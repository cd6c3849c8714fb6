"""A classifier as one graph: pictures in 0..255 as uint8 in, probabilities out. What every exported file holds."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import to_json
from striate.errors import BackendError
from striate.models.classifier_manifest import FORMAT, Manifest
from striate.models.onnx_model import CONTRACT
from striate.models.predictor import VIEWS, View, reach_of
from striate.system.backend import CHOICE, keras
from striate.system.backend_choice import version_of
from striate.system.native_output import native_quiet

INPUT, OUTPUT = "pictures", "probabilities"
"""The names of the graph's input (n, h, w, c) uint8 and of its output (n, classes) float32, in every format."""


def whole(classifier: Classifier) -> Any:
    """Returns a keras.Model of plain layers that answers as the classifier does: (n, h, w, c) uint8 → (n, classes)
    float32, test-time augmentation, temperature and softmax included. Its weights are the classifier's own.
    """
    pictures = keras.Input(classifier.preprocessing.shape, dtype="uint8", name=INPUT)
    seen = keras.ops.cast(pictures, "float32")
    model = classifier.model
    if classifier.tta == "none":
        logits = model(seen)
    else:
        views = VIEWS[classifier.tta]
        stacked = keras.ops.concatenate([_seen(seen, view) for view in views])
        parts = keras.ops.split(model(stacked), len(views))
        logits = sum(part * view.weight for part, view in zip(parts, views, strict=True))
    answer = keras.layers.Softmax(dtype="float32", name=OUTPUT)(logits / classifier.temperature)
    return keras.Model(pictures, answer, name="classifier")


def _seen(pictures: Any, view: View) -> Any:
    """Returns the pictures as the view shows them; inference._seen in the backend's operations."""
    _, height, width, _ = pictures.shape
    if view.shift:
        reach = reach_of(height, width)
        wide = keras.ops.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
        start = reach * (1 + view.shift)
        pictures = wide[:, start : start + height, start : start + width]
    return keras.ops.flip(pictures, axis=2) if view.is_mirrored else pictures


def traced(classifier: Classifier, batch: int | None) -> tuple[Any, Any]:
    """Returns a tf.function of the classifier's answers by name, and the signature of its input.

    Args:
        classifier: on TensorFlow.
        batch: pictures at once; None for any number.
    """
    import tensorflow as tf

    model = whole(classifier)

    def answer(pictures: Any) -> dict[str, Any]:
        return {OUTPUT: model(pictures, training=False)}

    signature = tf.TensorSpec((batch, *classifier.preprocessing.shape), tf.uint8, name=INPUT)
    return tf.function(answer, input_signature=[signature], autograph=False), signature


def require_tensorflow(name: str) -> None:
    """Raises BackendError unless Keras runs on TensorFlow, from whose graphs this format is written."""
    if CHOICE.name != "tensorflow":
        raise BackendError(
            f"{name} is written from TensorFlow's graph",
            received=f"KERAS_BACKEND={CHOICE.name}",
            hint=f"striate export RUN --format {name}, which starts on TensorFlow wherever the run was trained",
        )


def save_graph(classifier: Classifier, folder: Path, batch: int | None) -> None:
    """Writes a SavedModel whose one signature answers by name."""
    answer, signature = traced(classifier, batch)
    archive = keras.export.ExportArchive()
    archive.track(classifier.model)
    archive.add_endpoint("serving_default", answer.python_function, input_signature=[signature])
    with quietly():
        archive.write_out(str(folder), verbose=False)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Holds back what converters tell of their own progress."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with native_quiet():
            yield
    finally:
        logging.disable(level)


NAME = CONTRACT
"""The key, or the stem of the file's name, under which it stands in each format."""


def contract(classifier: Classifier, *, quantised: bool = False) -> str:
    """Returns a classifier.json, see manifest.Manifest. Its temperature and test-time augmentation are told for the
    reader: the graph has both within.
    """
    return to_json(
        Manifest(
            format=FORMAT,
            architecture=classifier.architecture + (" int8" if quantised else ""),
            classes=classifier.classes,
            preprocessing=classifier.preprocessing,
            temperature=classifier.temperature,
            tta=classifier.tta,
            reject_below=classifier.reject_below,
            sha256={},
            made_with={name: version_of(name) or "unknown" for name in ("striate", "keras", "tensorflow")},
        )
    )
