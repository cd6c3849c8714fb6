"""classifier.json: what a classifier's folder says of itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from striate.config import from_json, frozen_config, read_former_keys
from striate.data.preprocessing import Preprocessing
from striate.errors import ClassifierError, ConfigError, RunError
from striate.system.atomic_files import compute_sha256
from striate.system.checksums import CHECKSUM_FILE as SEAL
from striate.system.checksums import has_checksums, verify_file

CLASSIFIER_FORMAT = 5
"""Raise it when an older Striate could misread a newer folder; add a migration, and a test of the older
form, when you do. In format 1 there was no `tta`; that means none. In format 2 there was no `reject_below`; that means
that every image is answered. Up to format 3 there were
no checksums of the manifest itself. In format 4 `versions` was called `made_with`."""

MIN_CHECKSUM_FORMAT = 4  # the format from which on the folder has a seal
MAX_FILE_BYTES = {"classifier.json": 8 << 20, "network.json": 64 << 20, "weights.safetensors": 64 << 30}
"""Bytes above which a file is not read; the largest model of Keras has 0.5 % of that."""

TtaMode = Literal["none", "mirror", "multicrop"]


@read_former_keys(made_with="versions")
@frozen_config
class ClassifierManifest:
    """What classifier.json holds.

    Attributes:
        format: see CLASSIFIER_FORMAT.
        architecture: its name, for people; loading does not need it.
        classes: names in the order of the model's outputs.
        preprocessing: how pixels become the model's input.
        temperature: what logits are divided by before the softmax (Guo et al. 2017); 1 is none.
        tta: test-time augmentation: over which views of an image the logits are the mean; `mirror` for the image
            and its mirror image, `multicrop` for shifted ones as well.
        reject_below: confidence below which no class is answered, 0..1.
        sha256: file name → checksum.
        versions: package → version.
    """

    format: int
    architecture: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    sha256: dict[str, str]
    versions: dict[str, str]
    tta: TtaMode = "none"
    reject_below: float = 0.0


def load_classifier_manifest(path: Path) -> ClassifierManifest:
    """Returns what a classifier.json holds.

    Raises:
        ClassifierError: missing, damaged, or from a newer Striate.
    """
    if not path.parent.is_dir() or not path.exists():
        raise ClassifierError(
            "There is no classifier here",
            received=path.parent,
            expected=f"a folder with {path.name} in it, as striate train makes it; no single file",
        )
    require_regular_files(path.parent, (path.name,))
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ClassifierError(f"The classifier cannot be read: {error.strerror}", received=path) from None
    number = _parse_format(text)
    if number is not None and number > CLASSIFIER_FORMAT:
        raise ClassifierError(
            "This classifier was made by a newer Striate",
            received=f"format {number}",
            expected=f"format {CLASSIFIER_FORMAT} or older",
            hint="pip install --upgrade striate",
        )
    try:
        manifest = from_json(ClassifierManifest, text, str(path))
    except ConfigError as error:
        raise ClassifierError(f"The classifier's manifest is damaged. {error}") from None
    require_valid_values(manifest, path)
    return manifest


def require_valid_values(manifest: ClassifierManifest, path: Path) -> None:
    """Raises ClassifierError for classes and numbers that no classifier has."""
    if len(manifest.classes) < 2 or not (0 < manifest.temperature < 1e6 and 0 <= manifest.reject_below <= 1):
        raise ClassifierError("The classifier's manifest makes no sense", received=path)


def require_regular_files(folder: Path, names: Sequence[str]) -> None:
    """Raises ClassifierError unless the files are plain ones, of the folder itself, and of a size that makes sense: a
    link may lead anywhere, and a pipe never ends.
    """
    home = folder.resolve()
    for name in names:
        path = folder / name
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            raise ClassifierError(f"{name} is a link out of its folder", received=f"{path} → {path.resolve()}")
        if path.exists() and not path.is_file():
            raise ClassifierError(f"{name} is no plain file", received=path)
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES[name]:
            raise ClassifierError(
                f"{name} is too large to be read",
                received=f"{path.stat().st_size:,} bytes",
                expected=f"at most {MAX_FILE_BYTES[name]:,}",
            )


def verify_manifest_checksum(manifest: ClassifierManifest, folder: Path) -> None:
    """Compares the manifest itself with the folder's seal, which newer formats have.

    Raises:
        ClassifierError: there is none, or it is another one's.
    """
    try:
        if has_checksums(folder):
            verify_file(folder, "classifier.json")
        elif manifest.format >= MIN_CHECKSUM_FORMAT:
            raise RunError(f"The classifier's seal is missing. Expected: {SEAL}")
    except RunError as error:
        raise ClassifierError(str(error).removesuffix(".")) from None


def verify_files(manifest: ClassifierManifest, folder: Path, names: Sequence[str]) -> None:
    """Compares files of the folder with their checksums.

    Raises:
        ClassifierError: one is missing or damaged.
    """
    for name in names:
        path = folder / name
        if not path.is_file() or compute_sha256(path) != manifest.sha256.get(name):
            raise ClassifierError(
                f"{name} is {'damaged' if path.is_file() else 'missing'}",
                received=path,
                hint="another copy of the classifier, or train again",
            )


def require_matching_model(manifest: ClassifierManifest, model: Any) -> None:
    """Compares a model's input and output with what the manifest says of them.

    Raises:
        ClassifierError: it is another model's manifest.
    """
    if tuple(model.output_shape) != (None, len(manifest.classes)):
        raise ClassifierError(
            "The manifest names another number of classes than the model tells apart",
            received=f"{len(manifest.classes)} names, model output {model.output_shape}",
        )
    if tuple(model.input_shape) != (None, *manifest.preprocessing.shape):
        raise ClassifierError(
            "The manifest's preprocessing does not fit the model",
            received=f"images of {manifest.preprocessing.shape}, model input {model.input_shape}",
        )


def _parse_format(text: bytes) -> int | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    number = value.get("format") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None
