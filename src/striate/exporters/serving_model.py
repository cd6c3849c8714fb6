"""A classifier as one graph: images in 0..255 as uint8 in, probabilities out. What every exported file holds."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import to_json
from striate.errors import BackendError
from striate.models.classifier_manifest import CLASSIFIER_FORMAT, ClassifierManifest
from striate.models.predictor import TTA_VIEWS, View, compute_view_shift
from striate.system.backend import ACTIVE_BACKEND, keras
from striate.system.backend_choice import get_package_version
from striate.system.native_output import suppress_native_output

INPUT_NAME, OUTPUT_NAME = "images", "probabilities"
"""The names of the graph's input (n, h, w, c) uint8 and of its output (n, classes) float32, in every format."""


def build_serving_model(classifier: Classifier) -> Any:
    """Returns a keras.Model of plain layers that answers as the classifier does: (n, h, w, c) uint8 → (n, classes)
    float32, test-time augmentation, temperature and softmax included. Its weights are the classifier's own.
    """
    images = keras.Input(classifier.preprocessing.shape, dtype="uint8", name=INPUT_NAME)
    seen = keras.ops.cast(images, "float32")
    model = classifier.model
    if classifier.tta == "none":
        logits = model(seen)
    else:
        views = TTA_VIEWS[classifier.tta]
        stacked = keras.ops.concatenate([_apply_view(seen, view) for view in views])
        parts = keras.ops.split(model(stacked), len(views))
        logits = sum(part * view.weight for part, view in zip(parts, views, strict=True))
    prediction = keras.layers.Softmax(dtype="float32", name=OUTPUT_NAME)(logits / classifier.temperature)
    return keras.Model(images, prediction, name="classifier")


def _apply_view(images: Any, view: View) -> Any:
    """Returns the images as the view shows them; inference._seen in the backend's operations."""
    _, height, width, _ = images.shape
    if view.shift:
        reach = compute_view_shift(height, width)
        wide = keras.ops.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
        start = reach * (1 + view.shift)
        images = wide[:, start : start + height, start : start + width]
    return keras.ops.flip(images, axis=2) if view.is_mirrored else images


def trace_tf_function(classifier: Classifier, batch_size: int | None) -> tuple[Any, Any]:
    """Returns a tf.function of the classifier's answers by name, and the signature of its input.

    Args:
        classifier: on TensorFlow.
        batch_size: images at once; None for any number.
    """
    import tensorflow as tf

    model = build_serving_model(classifier)

    def predict(images: Any) -> dict[str, Any]:
        return {OUTPUT_NAME: model(images, training=False)}

    signature = tf.TensorSpec((batch_size, *classifier.preprocessing.shape), tf.uint8, name=INPUT_NAME)
    return tf.function(predict, input_signature=[signature], autograph=False), signature


def require_tensorflow(format_name: str) -> None:
    """Raises BackendError unless Keras runs on TensorFlow, from whose graphs this format is written."""
    if ACTIVE_BACKEND.name != "tensorflow":
        raise BackendError(
            f"{format_name} is written from TensorFlow's graph",
            received=f"KERAS_BACKEND={ACTIVE_BACKEND.name}",
            hint=f"striate export RUN --format {format_name}, which starts on TensorFlow wherever the run was trained",
        )


def write_tf_graph(classifier: Classifier, folder: Path, batch_size: int | None) -> None:
    """Writes a SavedModel whose one signature answers by name."""
    prediction, signature = trace_tf_function(classifier, batch_size)
    archive = keras.export.ExportArchive()
    archive.track(classifier.model)
    archive.add_endpoint("serving_default", prediction.python_function, input_signature=[signature])
    with suppress_converter_logs():
        archive.write_out(str(folder), verbose=False)


@contextlib.contextmanager
def suppress_converter_logs() -> Iterator[None]:
    """Holds back what converters tell of their own progress."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with suppress_native_output():
            yield
    finally:
        logging.disable(level)


def build_metadata_json(classifier: Classifier, *, is_quantized: bool = False) -> str:
    """Returns a classifier.json, see manifest.Manifest. Its temperature and test-time augmentation are told for the
    reader: the graph has both within.
    """
    return to_json(
        ClassifierManifest(
            format=CLASSIFIER_FORMAT,
            architecture=classifier.architecture + (" int8" if is_quantized else ""),
            classes=classifier.classes,
            preprocessing=classifier.preprocessing,
            temperature=classifier.temperature,
            tta=classifier.tta,
            reject_below=classifier.reject_below,
            sha256={},
            versions={name: get_package_version(name) or "unknown" for name in ("striate", "keras", "tensorflow")},
        )
    )
