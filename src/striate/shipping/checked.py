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
from striate.errors import ConfigError
from striate.files import writing
from striate.shipping.formats import Format
from striate.shipping.parity import Parity, parity, refuse_unlike


def export_checked(
    classifier: Classifier,
    kind: Format,
    path: Path,
    pictures: NDArray[np.uint8],
    *,
    batch: int | None = None,
    calibration: NDArray[np.uint8] | None = None,
) -> tuple[Parity, NDArray[np.float64]]:
    """Returns how the file's answers differ from the classifier's, and those answers, (n, classes) probabilities.

    The file takes its place only after it was read again and compared.

    Args:
        classifier: what is exported.
        kind: the format.
        path: where; a file there is replaced.
        pictures: real ones, preprocessed, (n ≥ 1, h, w, c) uint8, to compare on.
        batch: pictures that the graph takes at once; None for any number.
        calibration: preprocessed pictures whose activations set the scales of int8; None for float32.

    Raises:
        ParityError: the file answers otherwise. Nothing is left of it.
        BackendError: a package is missing, or another backend than TensorFlow is at work.
        ConfigError: the format has no int8, or there is a folder already.
    """
    kind.require()
    if calibration is not None and kind.write_int8 is None:
        raise ConfigError("This format is not written in int8", received=kind.name, expected="onnx or litert")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _placing(path, kind) as temporary:
        if calibration is None or kind.write_int8 is None:
            kind.write(classifier, temporary, batch)
        else:
            kind.write_int8(classifier, temporary, batch, calibration)
        found = np.asarray(kind.read(temporary, batch)(pictures), np.float64)
        differs = parity(classifier.probabilities(pictures), found)
        refuse_unlike(differs, quantised=calibration is not None)
    return differs, found


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(one.stat().st_size for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file())


@contextlib.contextmanager
def _placing(path: Path, kind: Format) -> Iterator[Path]:
    """Gives a temporary path whose file or folder takes its place only if all went well."""
    if not kind.is_folder:
        with writing(path) as temporary:
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
