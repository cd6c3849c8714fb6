"""From a classifier to a file that answers as it does, or to none."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.config import frozen_config
from striate.errors import ConfigError, StriateError
from striate.exporters.formats import ExportFormat
from striate.system.atomic_files import write_atomically

MAX_PROBABILITY_DIFFERENCE = 1e-4
"""How far a probability may lie from the classifier's own; float32 in another order of sums is some 1e-6 apart."""

MAX_CHANGED_FRACTION = 0.05
"""Of int8, which has another arithmetic: the fraction of images whose label may change."""


class ParityError(StriateError):
    """An exported file answers otherwise than its classifier. It is not kept."""


@frozen_config
class Parity:
    """How an exported file's answers differ.

    Attributes:
        image_count: on how many.
        max_abs_difference: the largest difference of any probability, 0..1.
        changed_labels: images whose most probable class is another.
    """

    image_count: int
    max_abs_difference: float
    changed_labels: int


def compute_parity(reference: NDArray[np.floating], predictions: NDArray[np.floating]) -> Parity:
    """Returns how two answers, (n, classes) probabilities of the same images, differ.

    Raises:
        ParityError: they have different shapes, or there is a number that is none.
    """
    if reference.shape != predictions.shape or not np.isfinite(predictions).all():
        raise ParityError(
            "The exported file answers with nonsense", received=predictions.shape, expected=reference.shape
        )
    return Parity(
        len(reference),
        float(np.abs(reference - predictions).max()),
        int(np.sum(reference.argmax(axis=1) != predictions.argmax(axis=1))),
    )


def check_parity(parity: Parity, *, is_quantized: bool) -> None:
    """Raises ParityError where the predictions differ by more than rounding does, or than int8 may."""
    if is_quantized:
        if parity.changed_labels > MAX_CHANGED_FRACTION * parity.image_count:
            raise ParityError(
                "In int8 this classifier answers otherwise too often, so no file was kept",
                received=f"another label for {parity.changed_labels:,} of {parity.image_count:,} images",
                expected=f"at most {MAX_CHANGED_FRACTION:.0%}",
                hint="export without --int8",
            )
    elif parity.max_abs_difference > MAX_PROBABILITY_DIFFERENCE:
        raise ParityError(
            "The exported file answers otherwise than the classifier, so it was not kept",
            received=f"probabilities up to {parity.max_abs_difference:.2g} apart, another label for "
            f"{parity.changed_labels:,} of {parity.image_count:,} images",
            expected=f"at most {MAX_PROBABILITY_DIFFERENCE:g}",
        )


def export_and_verify(
    classifier: Classifier,
    export_format: ExportFormat,
    path: Path,
    images: NDArray[np.uint8],
    *,
    batch_size: int | None = None,
    calibration_images: NDArray[np.uint8] | None = None,
) -> tuple[Parity, NDArray[np.float64]]:
    """Returns how the file's answers differ from the classifier's, and those predictions, (n, classes) probabilities.

    The file takes its place only after it was read again and compared.

    Args:
        classifier: what is exported.
        export_format: the format.
        path: where; a file there is replaced.
        images: real ones, preprocessed, (n ≥ 1, h, w, c) uint8, to compare on.
        batch_size: images that the graph takes at once; None for any number.
        calibration_images: preprocessed images whose activations set the scales of int8; None for float32.

    Raises:
        ParityError: the file answers otherwise. Nothing is left of it.
        BackendError: a package is missing, or another backend than TensorFlow is at work.
        ConfigError: the format has no int8, or there is a folder already.
    """
    export_format.require_modules()
    if calibration_images is not None and export_format.write_int8 is None:
        raise ConfigError("This format is not written in int8", received=export_format.name, expected="onnx or litert")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replace_atomically(path, export_format) as temporary:
        if calibration_images is None or export_format.write_int8 is None:
            export_format.write(classifier, temporary, batch_size)
        else:
            export_format.write_int8(classifier, temporary, batch_size, calibration_images)
        found = np.asarray(export_format.load(temporary, batch_size)(images), np.float64)
        differs = compute_parity(classifier.predict_probabilities(images), found)
        check_parity(differs, is_quantized=calibration_images is not None)
    return differs, found


def compute_total_bytes(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(one.stat().st_size for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file())


@contextlib.contextmanager
def _replace_atomically(path: Path, export_format: ExportFormat) -> Iterator[Path]:
    """Gives a temporary path whose file or folder takes its place only if all went well."""
    if not export_format.is_folder:
        with write_atomically(path) as temporary:
            yield temporary
        return
    if path.exists():
        raise ConfigError("There is something already", received=path, hint="--out ANOTHER, or remove it")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
