"""OpenVINO's pair of files, for Intel's processors."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters import onnx
from striate.exporters.serving_model import NAME, contract
from striate.models.onnx_model import piecewise
from striate.models.predictor import Forward

GRAPH = "classifier.xml"


def write(classifier: Classifier, path: Path, batch: int | None) -> None:
    """Writes a folder with classifier.xml, classifier.bin and striate.json; weights keep their 32 bits."""
    import openvino

    path.mkdir()
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        source = Path(folder) / "classifier.onnx"
        source.write_bytes(onnx.graph_of(classifier, batch).SerializeToString())
        # Not openvino.convert_model, which reports its use to its makers.
        openvino.save_model(openvino.Core().read_model(source), path / GRAPH, compress_to_fp16=False)
    (path / f"{NAME}.json").write_text(contract(classifier), encoding="utf-8")


def read(path: Path, batch: int | None) -> Forward:
    """Returns the folder's answers, by OpenVINO in float32: by default it computes in bfloat16 where it can."""
    import openvino

    compiled = openvino.Core().compile_model(path / GRAPH, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def answer(pictures: NDArray[Any]) -> NDArray[Any]:
        return np.array(compiled(pictures)[0])

    return piecewise(answer, batch)
