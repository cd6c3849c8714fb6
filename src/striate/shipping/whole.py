"""A classifier as one graph: pictures in 0..255 as uint8 in, probabilities out. What every exported file holds."""

from __future__ import annotations

from typing import Any

from striate.backend import keras
from striate.classifier import Classifier
from striate.inference import VIEWS, View, reach_of

INPUT, OUTPUT = "pictures", "probabilities"
"""The names of the graph's input (n, h, w, c) uint8 and of its output (n, classes) float32, in every format."""


def whole(classifier: Classifier) -> Any:
    """Returns a keras.Model of plain layers that answers as the classifier does: (n, h, w, c) uint8 → (n, classes)
    float32, test-time augmentation, temperature and softmax included. Its weights are the classifier's own.
    """
    pictures = keras.Input(classifier.preprocessing.shape, dtype="uint8", name=INPUT)
    seen = keras.ops.cast(pictures, "float32")
    model = classifier.model
    if classifier.tta == "none":
        logits = model(seen)
    else:
        views = VIEWS[classifier.tta]
        stacked = keras.ops.concatenate([_seen(seen, view) for view in views])
        parts = keras.ops.split(model(stacked), len(views))
        logits = sum(part * view.weight for part, view in zip(parts, views, strict=True))
    answer = keras.layers.Softmax(dtype="float32", name=OUTPUT)(logits / classifier.temperature)
    return keras.Model(pictures, answer, name="classifier")


def _seen(pictures: Any, view: View) -> Any:
    """Returns the pictures as the view shows them; inference._seen in the backend's operations."""
    _, height, width, _ = pictures.shape
    if view.shift:
        reach = reach_of(height, width)
        wide = keras.ops.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "reflect")
        start = reach * (1 + view.shift)
        pictures = wide[:, start : start + height, start : start + width]
    return keras.ops.flip(pictures, axis=2) if view.is_mirrored else pictures
