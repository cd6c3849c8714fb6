"""classifier.json: what a classifier's folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path

from striate.config import config, from_json
from striate.errors import ClassifierError, ConfigError
from striate.images.pixels import Preprocessing

FORMAT = 1
"""Raise it when an older Striate could misread a newer folder; add a migration and a fixture when you do."""


@config
class Manifest:
    """What classifier.json holds.

    Attributes:
        format: see FORMAT.
        architecture: its name, for people; loading does not need it.
        classes: names in the order of the network's outputs.
        preprocessing: how pixels become the network's input.
        temperature: what logits are divided by before the softmax (Guo et al. 2017); 1 is none.
        sha256: file name → checksum.
        made_with: package → version.
    """

    format: int
    architecture: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    sha256: dict[str, str]
    made_with: dict[str, str]


def read_manifest(path: Path) -> Manifest:
    """Returns what a classifier.json holds.

    Raises:
        ClassifierError: missing, damaged, or from a newer Striate.
    """
    try:
        text = path.read_bytes()
    except OSError:
        raise ClassifierError("There is no classifier here", received=path.parent, expected=path.name) from None
    number = _format_number(text)
    if number is not None and number > FORMAT:
        raise ClassifierError(
            "This classifier was made by a newer Striate",
            received=f"format {number}",
            expected=f"format {FORMAT} or older",
            hint="pip install --upgrade striate",
        )
    try:
        manifest = from_json(Manifest, text, str(path))
    except ConfigError as error:
        raise ClassifierError(f"The classifier's manifest is damaged. {error}") from None
    if len(manifest.classes) < 2 or not 0 < manifest.temperature < 1e6:
        raise ClassifierError("The classifier's manifest makes no sense", received=path)
    return manifest


def _format_number(text: bytes) -> int | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    number = value.get("format") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None
