"""The formats a classifier is exported to, one row each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.errors import BackendError
from striate.exporters import keras_archive, litert, model_repositories, onnx, openvino, quantization, saved_model
from striate.models.predictor import PredictFunction


@dataclass(frozen=True)
class ExportFormat:
    """One way to ship a classifier.

    Attributes:
        name: as --format takes it.
        description: for whom it is, a few words.
        suffix: of the file; "" where it is a folder.
        required_modules: modules that write and check it, beside Keras.
        extra: the extra of Striate that brings them.
        write: classifier, path, batch (None for any number) → the file or folder.
        load: path, batch → from images (n, h, w, c) uint8 to probabilities (n, classes).
        write_int8: the same, with calibration images; None where there is none.
    """

    name: str
    description: str
    suffix: str
    required_modules: tuple[str, ...]
    extra: str
    write: Callable[[Classifier, Path, int | None], None]
    load: Callable[[Path, int | None], PredictFunction]
    write_int8: Callable[[Classifier, Path, int | None, NDArray[np.uint8]], None] | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder rather than a file."""
        return not self.suffix

    def require_modules(self) -> None:
        """Raises BackendError if a module that it needs is not installed."""
        missing = [name for name in self.required_modules if importlib.util.find_spec(name) is None]
        if missing:
            raise BackendError(
                f"The format {self.name} needs packages that are not installed",
                received=f"no {', '.join(missing)}",
                hint=f"pip install 'striate[{self.extra}]'",
            )


EXPORT_FORMATS: dict[str, ExportFormat] = {
    one.name: one
    for one in (
        ExportFormat(
            "onnx",
            "ONNX Runtime, Triton; what striate predict and serve run without TensorFlow",
            ".onnx",
            ("tensorflow", "onnx", "onnxruntime", "tf2onnx"),
            "export",
            onnx.write_onnx,
            onnx.load_onnx,
            quantization.write_onnx_int8,
        ),
        ExportFormat(
            "litert",
            "phones and small boards (TFLite)",
            ".tflite",
            ("tensorflow", "ai_edge_litert"),
            "litert",
            litert.write_litert,
            litert.load_litert,
            quantization.write_litert_int8,
        ),
        ExportFormat(
            "saved_model",
            "TensorFlow and TensorFlow Serving",
            "",
            ("tensorflow",),
            "tensorflow",
            saved_model.write_saved_model,
            saved_model.load_saved_model,
        ),
        ExportFormat(
            "keras",
            "Keras, to resume",
            ".keras",
            (),
            "tensorflow",
            keras_archive.write_keras_archive,
            keras_archive.load_keras_archive,
        ),
        ExportFormat(
            "openvino",
            "Intel's processors",
            "",
            ("tensorflow", "onnx", "tf2onnx", "openvino"),
            "openvino",
            openvino.write_openvino,
            openvino.load_openvino,
        ),
        ExportFormat(
            "triton",
            "a model repository for Triton, and KServe's Triton runtime",
            "",
            ("tensorflow", "onnx", "onnxruntime", "tf2onnx"),
            "export",
            model_repositories.write_triton,
            model_repositories.load_triton,
        ),
        ExportFormat(
            "tf_serving",
            "a model's base path for TensorFlow Serving",
            "",
            ("tensorflow",),
            "tensorflow",
            model_repositories.write_tf_serving,
            model_repositories.load_tf_serving,
        ),
    )
}
"""Name → format."""
