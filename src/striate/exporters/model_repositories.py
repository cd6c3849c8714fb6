"""Model repositories: the folders in which servers for many models look for them, one folder a model, one a version."""

from __future__ import annotations

import json
from pathlib import Path

from striate.classifier import Classifier
from striate.errors import to_printable
from striate.exporters import onnx, saved_model
from striate.exporters.serving_model import INPUT_NAME, OUTPUT_NAME, build_metadata_json
from striate.models.onnx_model import METADATA_NAME
from striate.models.predictor import PredictFunction

MODEL_NAME, MODEL_VERSION = "classifier", "1"
MAX_BATCH_SIZE = 64  # images that Triton may put together
MAX_QUEUE_DELAY = 500  # microseconds that Triton waits for more of them


def write_triton(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes a repository for Triton, and so for KServe's Triton runtime: classifier/config.pbtxt, labels.txt and
    1/model.onnx. Requests that come together are answered together unless the batch is fixed.
    """
    model = path / MODEL_NAME
    (model / MODEL_VERSION).mkdir(parents=True)
    onnx.write_onnx(classifier, model / MODEL_VERSION / "model.onnx", batch_size)
    (model / "labels.txt").write_text(
        "".join(f"{to_printable(name).replace(chr(10), ' ')}\n" for name in classifier.classes), encoding="utf-8"
    )
    (model / "config.pbtxt").write_text(_render_triton_config(classifier, batch_size), encoding="utf-8")


def _render_triton_config(classifier: Classifier, batch_size: int | None) -> str:
    """Returns Triton's description of a model (its ModelConfig, as protobuf text)."""
    ahead = [] if batch_size is None else [batch_size]
    said = json.dumps(build_metadata_json(classifier), ensure_ascii=False)
    dims = [*ahead, *classifier.preprocessing.shape]
    lines = [
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {MAX_BATCH_SIZE if batch_size is None else 0}",
        f'input {{ name: "{INPUT_NAME}" data_type: TYPE_UINT8 dims: {dims} }}',
        f'output {{ name: "{OUTPUT_NAME}" data_type: TYPE_FP32 dims: {[*ahead, len(classifier.classes)]} '
        'label_filename: "labels.txt" }',
        f'parameters {{ key: "{METADATA_NAME}" value {{ string_value: {said} }} }}',
    ]
    if batch_size is None:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {MAX_QUEUE_DELAY} }}")
    return "\n".join(lines) + "\n"


def load_triton(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the repository's answers, by ONNX Runtime, which Triton asks too."""
    return onnx.load_onnx(path / MODEL_NAME / MODEL_VERSION / "model.onnx", batch_size)


def write_tf_serving(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes what TensorFlow Serving calls a model's base path: classifier/1 with a SavedModel in it."""
    (path / MODEL_NAME).mkdir(parents=True)
    saved_model.write_saved_model(classifier, path / MODEL_NAME / MODEL_VERSION, batch_size)


def load_tf_serving(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the predictions of the SavedModel in it."""
    return saved_model.load_saved_model(path / MODEL_NAME / MODEL_VERSION, batch_size)
