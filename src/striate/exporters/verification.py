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
from striate.config import config
from striate.errors import ConfigError, StriateError
from striate.exporters.formats import Format
from striate.system.atomic_files import writing

LIMIT = 1e-4
"""How far a probability may lie from the classifier's own; float32 in another order of sums is some 1e-6 apart."""

CHANGED = 0.05
"""Of int8, which has another arithmetic: the share of pictures whose label may change."""


class ParityError(StriateError):
    """An exported file answers otherwise than its classifier. It is not kept."""


@config
class Parity:
    """How an exported file's answers differ.

    Attributes:
        pictures: on how many.
        max_abs_difference: the largest difference of any probability, 0..1.
        changed_labels: pictures whose most probable class is another.
    """

    pictures: int
    max_abs_difference: float
    changed_labels: int


def parity(expected: NDArray[np.floating], found: NDArray[np.floating]) -> Parity:
    """Returns how two answers, (n, classes) probabilities of the same pictures, differ.

    Raises:
        ParityError: they have different shapes, or there is a number that is none.
    """
    if expected.shape != found.shape or not np.isfinite(found).all():
        raise ParityError("The exported file answers with nonsense", received=found.shape, expected=expected.shape)
    return Parity(
        len(expected),
        float(np.abs(expected - found).max()),
        int(np.sum(expected.argmax(axis=1) != found.argmax(axis=1))),
    )


def refuse_unlike(found: Parity, *, quantised: bool) -> None:
    """Raises ParityError where the answers differ by more than rounding does, or than int8 may."""
    if quantised:
        if found.changed_labels > CHANGED * found.pictures:
            raise ParityError(
                "In int8 this classifier answers otherwise too often, so no file was kept",
                received=f"another label for {found.changed_labels:,} of {found.pictures:,} pictures",
                expected=f"at most {CHANGED:.0%}",
                hint="export without --int8",
            )
    elif found.max_abs_difference > LIMIT:
        raise ParityError(
            "The exported file answers otherwise than the classifier, so it was not kept",
            received=f"probabilities up to {found.max_abs_difference:.2g} apart, another label for "
            f"{found.changed_labels:,} of {found.pictures:,} pictures",
            expected=f"at most {LIMIT:g}",
        )


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
