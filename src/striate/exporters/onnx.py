"""ONNX: one file for ONNX Runtime, Triton and most of the rest; what our own light runtime answers from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.exporters.serving_model import (
    INPUT_NAME,
    OUTPUT_NAME,
    build_metadata_json,
    require_tensorflow,
    suppress_converter_logs,
    trace_tf_function,
)
from striate.models.onnx_model import METADATA_NAME, OnnxModel, append_checksum
from striate.models.predictor import PredictFunction

ONNX_OPSET = 18
"""Of the ONNX operators: what ONNX Runtime 1.14, of February 2023, and all since then run."""


def write_onnx(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes the file; see portable for the seal at its end."""
    path.write_bytes(
        append_checksum(
            set_metadata(build_onnx_model(classifier, batch_size), build_metadata_json(classifier)).SerializeToString()
        )
    )


def build_onnx_model(classifier: Classifier, batch_size: int | None) -> Any:
    """Returns an onnx.ModelProto: images (n, h, w, c) uint8 → probabilities (n, classes) float32."""
    require_tensorflow("onnx")
    import onnx
    from tf2onnx import convert

    prediction, signature = trace_tf_function(classifier, batch_size)
    with suppress_converter_logs():
        proto, _ = convert.from_function(prediction, input_signature=[signature], opset=ONNX_OPSET)
    if batch_size is None:  # which the converter names after its own count
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(proto, full_check=True)
    assert [one.name for one in proto.graph.input] == [INPUT_NAME]  # noqa: S101
    assert [one.name for one in proto.graph.output] == [OUTPUT_NAME]  # noqa: S101
    return proto


def set_metadata(proto: Any, metadata: str) -> Any:
    """Returns the same ModelProto with what it says of itself."""
    del proto.metadata_props[:]
    proto.metadata_props.add(key=METADATA_NAME, value=metadata)
    proto.producer_name, proto.doc_string = "striate", "An image classifier. Images come in as its contract says."
    return proto


def load_onnx(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the file's answers, by ONNX Runtime on the processor; it knows its own batch."""
    return OnnxModel(path)
