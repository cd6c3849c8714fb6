"""ONNX: one file for ONNX Runtime, Triton and most of the rest; what our own light runtime answers from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.exporters.serving_model import INPUT, NAME, OUTPUT, contract, quietly, require_tensorflow, traced
from striate.models.onnx_model import OnnxNetwork, sealed
from striate.models.predictor import Forward

OPSET = 18
"""Of the ONNX operators: what ONNX Runtime 1.14, of February 2023, and all since then run."""


def write(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes the file; see portable for the seal at its end."""
    path.write_bytes(sealed(described(graph_of(classifier, batch), contract(classifier)).SerializeToString()))


def graph_of(classifier: Classifier, batch: int | None) -> Any:
    """Returns an onnx.ModelProto: pictures (n, h, w, c) uint8 → probabilities (n, classes) float32."""
    require_tensorflow("onnx")
    import onnx
    from tf2onnx import convert

    answer, signature = traced(classifier, batch)
    with quietly():
        proto, _ = convert.from_function(answer, input_signature=[signature], opset=OPSET)
    if batch is None:  # which the converter names after its own count
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(proto, full_check=True)
    assert [one.name for one in proto.graph.input] == [INPUT]  # noqa: S101
    assert [one.name for one in proto.graph.output] == [OUTPUT]  # noqa: S101
    return proto


def described(proto: Any, text: str) -> Any:
    """Returns the same ModelProto with what it says of itself."""
    del proto.metadata_props[:]
    proto.metadata_props.add(key=NAME, value=text)
    proto.producer_name, proto.doc_string = "striate", "An image classifier. Pictures come in as its contract says."
    return proto


def read(path: Path, batch: int | None) -> Forward:
    """Returns the file's answers, by ONNX Runtime on the processor; it knows its own batch."""
    return OnnxNetwork(path)
