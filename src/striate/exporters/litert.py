"""LiteRT (TFLite): one file for phones and small boards."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
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
    suppress_converter_logs,
    write_tf_graph,
)
from striate.models.onnx_model import METADATA_NAME, split_into_batches
from striate.models.predictor import PredictFunction


def write_litert(
    classifier: Classifier, path: Path, batch_size: int | None, calibration_images: NDArray[np.uint8] | None = None
) -> None:
    """Writes the file. Class names (labels.txt) and contract (striate.json) are attached to it as a zip archive is, the
    way TensorFlow Lite's metadata attach files.

    Args:
        classifier: on TensorFlow.
        path: where.
        batch_size: images at once; None for any number.
        calibration_images: images (n, h, w, c) whose activations set the scales of int8; None for float32.
    """
    require_tensorflow("litert")
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="striate-") as folder, suppress_converter_logs():
        write_tf_graph(classifier, Path(folder), batch_size)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration_images is not None:

            def iter_samples() -> Iterator[list[Any]]:
                for image in calibration_images:
                    yield [image[None]]

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = iter_samples
        path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as attached:
        attached.writestr("labels.txt", "".join(f"{name}\n" for name in classifier.classes))
        attached.writestr(
            f"{METADATA_NAME}.json", build_metadata_json(classifier, is_quantized=calibration_images is not None)
        )


def load_litert(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the file's answers, by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    ((slot,), (result,)) = interpreter.get_input_details(), interpreter.get_output_details()
    assert interpreter.get_signature_list()["serving_default"] == {"inputs": [INPUT_NAME], "outputs": [OUTPUT_NAME]}  # noqa: S101

    def predict_batch(images: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(slot["index"], images)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(result["index"]))

    size = batch_size or 1
    if batch_size is None:
        interpreter.resize_tensor_input(slot["index"], [size, *slot["shape"][1:]])
    interpreter.allocate_tensors()
    return split_into_batches(predict_batch, size)
