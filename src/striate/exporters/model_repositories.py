"""Model repositories: the folders in which servers for many models look for them, one folder a model, one a version."""

from __future__ import annotations

import json
from pathlib import Path

from striate.classifier import Classifier
from striate.errors import printable
from striate.exporters import onnx, saved_model
from striate.exporters.serving_model import INPUT, NAME, OUTPUT, contract
from striate.models.predictor import Forward

MODEL, VERSION = "classifier", "1"
AT_ONCE = 64  # pictures that Triton may put together
WAIT = 500  # microseconds that Triton waits for more of them


def write_triton(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes a repository for Triton, and so for KServe's Triton runtime: classifier/config.pbtxt, labels.txt and
    1/model.onnx. Requests that come together are answered together unless the batch is fixed.
    """
    model = path / MODEL
    (model / VERSION).mkdir(parents=True)
    onnx.write(classifier, model / VERSION / "model.onnx", batch)
    (model / "labels.txt").write_text(
        "".join(f"{printable(name).replace(chr(10), ' ')}\n" for name in classifier.classes), encoding="utf-8"
    )
    (model / "config.pbtxt").write_text(_config(classifier, batch), encoding="utf-8")


def _config(classifier: Classifier, batch: int | None) -> str:
    """Returns Triton's description of a model (its ModelConfig, as protobuf text)."""
    ahead = [] if batch is None else [batch]
    said = json.dumps(contract(classifier), ensure_ascii=False)
    dims = [*ahead, *classifier.preprocessing.shape]
    lines = [
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {AT_ONCE if batch is None else 0}",
        f'input {{ name: "{INPUT}" data_type: TYPE_UINT8 dims: {dims} }}',
        f'output {{ name: "{OUTPUT}" data_type: TYPE_FP32 dims: {[*ahead, len(classifier.classes)]} '
        'label_filename: "labels.txt" }',
        f'parameters {{ key: "{NAME}" value {{ string_value: {said} }} }}',
    ]
    if batch is None:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {WAIT} }}")
    return "\n".join(lines) + "\n"


def read_triton(path: Path, batch: int | None) -> Forward:
    """Returns the repository's answers, by ONNX Runtime, which Triton asks too."""
    return onnx.read(path / MODEL / VERSION / "model.onnx", batch)


def write_tf_serving(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes what TensorFlow Serving calls a model's base path: classifier/1 with a SavedModel in it."""
    (path / MODEL).mkdir(parents=True)
    saved_model.write(classifier, path / MODEL / VERSION, batch)


def read_tf_serving(path: Path, batch: int | None) -> Forward:
    """Returns the answers of the SavedModel in it."""
    return saved_model.read(path / MODEL / VERSION, batch)
