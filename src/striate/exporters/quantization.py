"""int8: a quarter of the weights' bytes, and faster where the processor has the instructions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters import litert
from striate.exporters.onnx import described, graph_of
from striate.exporters.serving_model import INPUT, contract, quietly
from striate.models.onnx_model import sealed


def write_onnx(classifier: Classifier, path: Path, batch: int | None, calibration: NDArray[np.uint8]) -> None:
    """Writes an ONNX file with static quantisation in QDQ form: weights int8 by channel, activations uint8 with the
    range that the calibration pictures show (Jacob et al. 2018, section 2). Signed activations are twice as slow on
    processors without VNNI.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        """The calibration pictures, one batch after another."""

        def __init__(self) -> None:
            size = batch or 8
            self.left = [calibration[start : start + size] for start in range(0, len(calibration), size)]
            self.left = [part for part in self.left if batch is None or len(part) == batch]

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return {INPUT: self.left.pop()} if self.left else None

    with tempfile.TemporaryDirectory(prefix="striate-") as folder, quietly():
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "small"))
        plain.write_bytes(graph_of(classifier, batch).SerializeToString())
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(small),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
        )
        proto = onnx.load(small)
    path.write_bytes(sealed(described(proto, contract(classifier, quantised=True)).SerializeToString()))


def write_litert(classifier: Classifier, path: Path, batch: int | None, calibration: NDArray[np.uint8]) -> None:
    """Writes a LiteRT file with weights and activations in int8, as TensorFlow's converter quantises them."""
    litert.write(classifier, path, batch, calibration)
