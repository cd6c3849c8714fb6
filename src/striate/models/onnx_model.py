"""A classifier in one ONNX file, answered by ONNX Runtime alone: no Keras and no backend is loaded.

The file is an ONNX ModelProto. Its metadata hold, under `striate`, the classifier.json (manifest.py). Its last bytes
are the seal: one more metadata entry, the SHA-256 of all bytes before it. Messages of Protocol Buffers that stand one
behind the other are one message (protobuf.dev, encoding, "Last One Wins"), so every reader of ONNX reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.config import from_json
from striate.errors import ClassifierError, ConfigError
from striate.models.classifier_manifest import CLASSIFIER_FORMAT, ClassifierManifest

INSTALL_HINT = "pip install 'striate[serve]'"
BatchFunction = Callable[[NDArray[Any]], NDArray[Any]]
MAX_FILE_BYTES = 2 << 30  # bytes: what Protocol Buffers can hold
SPIN_MICROSECONDS = "200"  # microseconds that a thread waits for work before it sleeps; older releases ignore it
METADATA_NAME, CHECKSUM_KEY = "striate", b"striate.sha256"


def append_checksum(data: bytes) -> bytes:
    """Returns a ModelProto's bytes with their checksum behind them."""
    return data + _encode_checksum_entry(data)


def _encode_checksum_entry(data: bytes) -> bytes:
    """Returns a ModelProto of nothing but one entry of metadata_props (field 14: key 1, value 2)."""
    value = hashlib.sha256(data).hexdigest().encode()
    entry = b"\x0a" + bytes([len(CHECKSUM_KEY)]) + CHECKSUM_KEY + b"\x12" + bytes([len(value)]) + value
    return b"\x72" + bytes([len(entry)]) + entry


class OnnxModel:
    """From images to probabilities, by ONNX Runtime on the processor.

    Args:
        path: of a file that Striate wrote.
        threads: processors that it may use; None for all.

    Raises:
        ClassifierError: no such file, not sealed by Striate, damaged, or ONNX Runtime is not installed or refuses it.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime as ort
        except ImportError:
            raise ClassifierError(
                "An ONNX file is answered by ONNX Runtime", received="it is not installed", hint=INSTALL_HINT
            ) from None
        data = _read_verified_bytes(path)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
        # Between answers others want the cores, and while a graph is loaded its threads have nothing to do.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_MICROSECONDS)
        # Weights that a graph says lie in another file would be read from the working folder, or from anywhere.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path / "nowhere"))
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # every one of ONNX Runtime's own is raised without a common base
            raise ClassifierError(
                "ONNX Runtime refuses this file", received=f"{path}: {str(error).splitlines()[0]}"
            ) from None
        ends = self._session.get_inputs(), self._session.get_outputs()
        if [len(one) for one in ends] != [1, 1] or ends[0][0].type != "tensor(uint8)":
            raise ClassifierError("This is no graph of Striate's", received=path, hint="striate export RUN")
        self._input, self._outputs = ends[0][0].name, [ends[1][0].name]
        batch, *shape = ends[0][0].shape
        self._predict_function = split_into_batches(self._run_session, batch if isinstance(batch, int) else None)
        self.input_shape = (None, *shape)
        self.output_shape = (None, *ends[1][0].shape[1:])
        self.metadata_json: str | None = self._session.get_modelmeta().custom_metadata_map.get(METADATA_NAME)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns (n, classes) probabilities of images (n, h, w, c) uint8."""
        if not len(images):
            return np.empty((0, self.output_shape[1]), np.float32)
        return self._predict_function(images)

    def _run_session(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = self._session.run(self._outputs, {self._input: images})[0]
        return result

    @property
    def manifest(self) -> ClassifierManifest:
        """What the file says of itself.

        Raises:
            ClassifierError: nothing, or nonsense.
        """
        try:
            manifest = from_json(ClassifierManifest, (self.metadata_json or "").encode(), "the file's contract")
        except ConfigError as error:
            raise ClassifierError(f"The classifier's contract is damaged. {error}") from None
        if manifest.format > CLASSIFIER_FORMAT:
            raise ClassifierError("This classifier was made by a newer Striate", received=f"format {manifest.format}")
        return manifest


def split_into_batches(predict_function: BatchFunction, batch_size: int | None) -> BatchFunction:
    """Returns the same function for any number of images, 1 or more, where `predict_function` takes just
    `batch_size` of them.
    """
    if batch_size is None:
        return predict_function

    def predict_in_batches(images: NDArray[Any]) -> NDArray[Any]:
        found = []
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            filling = np.repeat(part[:1], batch_size - len(part), axis=0)
            found.append(predict_function(np.concatenate([part, filling]))[: len(part)])
        return np.concatenate(found)

    return predict_in_batches


def _read_verified_bytes(path: Path) -> Any:
    """Returns the file's bytes, if their seal holds."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            raise ClassifierError("There is no ONNX file here", received=path)
        data = path.read_bytes()
    except OSError as error:
        raise ClassifierError(f"The classifier cannot be read: {error.strerror}", received=path) from None
    length = len(_encode_checksum_entry(b""))
    body, tail = data[:-length], data[-length:]
    if CHECKSUM_KEY not in tail:
        raise ClassifierError(
            "This ONNX file does not end with Striate's seal",
            received=path,
            expected="a file as striate export RUN --format onnx writes it, all of it, not saved again by another tool",
        )
    if tail != _encode_checksum_entry(body):
        raise ClassifierError("This ONNX file is damaged: its checksum is another", received=path)
    return data
