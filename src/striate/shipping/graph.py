"""A classifier's graph in TensorFlow's terms, from which most formats are written."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.backend import CHOICE, keras
from striate.classifier import Classifier
from striate.errors import BackendError
from striate.native import native_quiet
from striate.shipping.whole import INPUT, OUTPUT, whole


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
