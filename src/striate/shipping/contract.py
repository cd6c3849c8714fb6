"""What an exported file says of itself: class names and the preprocessing contract, as JSON inside it."""

from __future__ import annotations

from striate.classifier import Classifier
from striate.config import to_json
from striate.environment import version_of
from striate.manifest import FORMAT, Manifest
from striate.portable import CONTRACT

NAME = CONTRACT
"""The key, or the stem of the file's name, under which it stands in each format."""


def contract(classifier: Classifier, *, quantised: bool = False) -> str:
    """Returns a classifier.json, see manifest.Manifest. Its temperature and test-time augmentation are told for the
    reader: the graph has both within.
    """
    return to_json(
        Manifest(
            format=FORMAT,
            architecture=classifier.architecture + (" int8" if quantised else ""),
            classes=classifier.classes,
            preprocessing=classifier.preprocessing,
            temperature=classifier.temperature,
            tta=classifier.tta,
            reject_below=classifier.reject_below,
            sha256={},
            made_with={name: version_of(name) or "unknown" for name in ("striate", "keras", "tensorflow")},
        )
    )
