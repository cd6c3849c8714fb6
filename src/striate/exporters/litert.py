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
from striate.exporters.serving_model import INPUT, NAME, OUTPUT, contract, quietly, require_tensorflow, save_graph
from striate.models.onnx_model import piecewise
from striate.models.predictor import Forward


def write(classifier: Classifier, path: Path, batch: int | None, calibration: NDArray[np.uint8] | None = None) -> None:
    """Writes the file. Class names (labels.txt) and contract (striate.json) are attached to it as a zip archive is, the
    way TensorFlow Lite's metadata attach files.

    Args:
        classifier: on TensorFlow.
        path: where.
        batch: pictures at once; None for any number.
        calibration: pictures (n, h, w, c) whose activations set the scales of int8; None for float32.
    """
    require_tensorflow("litert")
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="striate-") as folder, quietly():
        save_graph(classifier, Path(folder), batch)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:

            def examples() -> Iterator[list[Any]]:
                for picture in calibration:
                    yield [picture[None]]

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
        path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as attached:
        attached.writestr("labels.txt", "".join(f"{name}\n" for name in classifier.classes))
        attached.writestr(f"{NAME}.json", contract(classifier, quantised=calibration is not None))


def read(path: Path, batch: int | None) -> Forward:
    """Returns the file's answers, by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    ((slot,), (result,)) = interpreter.get_input_details(), interpreter.get_output_details()
    assert interpreter.get_signature_list()["serving_default"] == {"inputs": [INPUT], "outputs": [OUTPUT]}  # noqa: S101

    def one(pictures: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(slot["index"], pictures)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(result["index"]))

    size = batch or 1
    if batch is None:
        interpreter.resize_tensor_input(slot["index"], [size, *slot["shape"][1:]])
    interpreter.allocate_tensors()
    return piecewise(one, size)
