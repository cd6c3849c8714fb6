"""int8: a quarter of the weights' bytes, and faster where the processor has the instructions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.exporters import litert
from striate.exporters.onnx import build_onnx_model, set_metadata
from striate.exporters.serving_model import INPUT_NAME, build_metadata_json, suppress_converter_logs
from striate.models.onnx_model import append_checksum


def write_onnx_int8(
    classifier: Classifier, path: Path, batch_size: int | None, calibration_images: NDArray[np.uint8]
) -> None:
    """Writes an ONNX file with static quantisation in QDQ form: weights int8 by channel, activations uint8 with the
    range that the calibration images show (Jacob et al. 2018, section 2). Signed activations are twice as slow on
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

    class ImageCalibrationReader(CalibrationDataReader):  # type: ignore[misc]
        """The calibration images, one batch after another."""

        def __init__(self) -> None:
            size = batch_size or 8
            self.remaining_batches = [
                calibration_images[start : start + size] for start in range(0, len(calibration_images), size)
            ]
            self.remaining_batches = [
                part for part in self.remaining_batches if batch_size is None or len(part) == batch_size
            ]

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return {INPUT_NAME: self.remaining_batches.pop()} if self.remaining_batches else None

    with tempfile.TemporaryDirectory(prefix="striate-") as folder, suppress_converter_logs():
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "small"))
        plain.write_bytes(build_onnx_model(classifier, batch_size).SerializeToString())
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(small),
            ImageCalibrationReader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
        )
        proto = onnx.load(small)
    path.write_bytes(
        append_checksum(set_metadata(proto, build_metadata_json(classifier, is_quantized=True)).SerializeToString())
    )


def write_litert_int8(
    classifier: Classifier, path: Path, batch_size: int | None, calibration_images: NDArray[np.uint8]
) -> None:
    """Writes a LiteRT file with weights and activations in int8, as TensorFlow's converter quantises them."""
    litert.write_litert(classifier, path, batch_size, calibration_images)
