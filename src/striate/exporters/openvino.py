"""OpenVINO's pair of files, for Intel's processors."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters import onnx
from striate.exporters.serving_model import build_metadata_json
from striate.models.onnx_model import METADATA_NAME, split_into_batches
from striate.models.predictor import PredictFunction

GRAPH_FILE = "classifier.xml"


def write_openvino(classifier: Classifier, path: Path, batch_size: int | None) -> None:
    """Writes a folder with classifier.xml, classifier.bin and striate.json; weights keep their 32 bits."""
    import openvino

    path.mkdir()
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        source = Path(folder) / "classifier.onnx"
        source.write_bytes(onnx.build_onnx_model(classifier, batch_size).SerializeToString())
        # Not openvino.convert_model, which reports its use to its makers.
        openvino.save_model(openvino.Core().read_model(source), path / GRAPH_FILE, compress_to_fp16=False)
    (path / f"{METADATA_NAME}.json").write_text(build_metadata_json(classifier), encoding="utf-8")


def load_openvino(path: Path, batch_size: int | None) -> PredictFunction:
    """Returns the folder's answers, by OpenVINO in float32: by default it computes in bfloat16 where it can."""
    import openvino

    compiled = openvino.Core().compile_model(path / GRAPH_FILE, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def predict(images: NDArray[Any]) -> NDArray[Any]:
        return np.array(compiled(images)[0])

    return split_into_batches(predict, batch_size)
