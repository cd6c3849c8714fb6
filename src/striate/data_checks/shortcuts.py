"""Whether something that should not matter tells the label: a model would learn that instead of the duplicate group
(Geirhos et al. 2020, arXiv:2004.07780).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data_checks.finding import Finding
from striate.data_checks.image_stats import ImageStats

CV_FOLDS = 5
MAX_IMAGES = 20_000  # images that the shallow model sees
MIN_IMAGES_PER_CLASS = 10  # images of a class, below which it is left out
MAX_CATEGORIES = 20  # formats or cameras told apart
MIN_STANDARD_ERRORS = 3.0  # standard errors above chance
TREE_DEPTH = 6

FILE_FEATURES = ("file size", "format", "image size", "camera")
PIXEL_FEATURES = ("border", "mean color")
GAIN_THRESHOLDS = {**dict.fromkeys(FILE_FEATURES, (0.1, 0.3)), **dict.fromkeys(PIXEL_FEATURES, (0.4, 0.6))}
"""Feature → fraction of the way from chance to certainty from which on it is a note, and a warning. Nothing outside the
pixels should tell a label; color and border are pixels, and may be what the classes are about.
"""


@dataclass(frozen=True)
class Shortcut:
    """How well one feature alone tells the label.

    Attributes:
        feature: its name.
        accuracy: cross-validated balanced accuracy (mean recall) of a decision tree on it, 0..1.
        chance: what guessing reaches, 1 / classes.
        standard_error: standard error of guessing's balanced accuracy.
        image_count: images it was measured on.
    """

    feature: str
    accuracy: float
    chance: float
    standard_error: float
    image_count: int

    @property
    def gain(self) -> float:
        """Fraction of the way from chance to certainty, 0 where it is not surely above chance."""
        if self.accuracy <= self.chance + MIN_STANDARD_ERRORS * self.standard_error:
            return 0.0
        return (self.accuracy - self.chance) / (1 - self.chance)


def measure_shortcuts(stats: ImageStats, groups: NDArray[np.int64]) -> list[Shortcut]:
    """Returns how well each feature that varies tells the label, the best first.

    Args:
        stats: of the whole set.
        groups: (n,) images that show the same have the same number; they are learned from or asked about together.
    """
    from sklearn.metrics import recall_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    rows = _select_rows(stats)
    labels = stats.images.labels[rows]
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2:
        return []
    chance = 1 / len(sizes)
    error = float(np.sqrt(np.sum(chance * (1 - chance) / sizes)) * chance)
    folds = StratifiedGroupKFold(CV_FOLDS, shuffle=True, random_state=0)
    found = []
    for name, columns in _extract_features(stats, rows).items():
        if not np.ptp(columns, axis=0).any():
            continue
        tree = DecisionTreeClassifier(
            max_depth=TREE_DEPTH, min_samples_leaf=max(5, len(rows) // 500), class_weight="balanced", random_state=0
        )
        said = cross_val_predict(tree, columns, labels, groups=groups[rows], cv=folds)
        accuracy = float(recall_score(labels, said, average="macro", zero_division=0.0))
        found.append(Shortcut(name, accuracy, chance, error, len(rows)))
    return sorted(found, key=lambda one: -one.accuracy)


def build_shortcut_findings(shortcuts: list[Shortcut]) -> list[Finding]:
    """Returns those that tell the label well enough to be worth a word."""
    findings = []
    for one in shortcuts:
        note, warning = GAIN_THRESHOLDS[one.feature]
        if one.gain < note:
            continue
        what = "the look of the edge" if one.feature == "border" else one.feature
        fix = (
            "make images of all classes in the same way: same device, size and format; or test on images from "
            "elsewhere, where this cannot help"
            if one.feature in FILE_FEATURES
            else "make sure that this distinguishes the classes in practice too; --grayscale or augmentation removes it"
        )
        findings.append(
            Finding(
                "shortcut",
                "warning" if one.gain >= warning else "note",
                f"The {what} alone tells the class in {one.accuracy:.0%} of {one.image_count:,} images, guessing in "
                f"{one.chance:.0%} (mean recall of a cross-validated decision tree)",
                fix,
                evidence={"accuracy": one.accuracy, "chance": one.chance, "standard_error": one.standard_error},
                count=one.image_count,
            )
        )
    return findings


def _select_rows(stats: ImageStats) -> NDArray[np.intp]:
    """Returns the numbers of the images that are looked at: readable, of classes that are large enough."""
    sizes = np.bincount(stats.images.labels[stats.is_readable], minlength=len(stats.images.classes))
    rows = np.flatnonzero(stats.is_readable & (sizes >= MIN_IMAGES_PER_CLASS)[stats.images.labels])
    return np.sort(np.random.default_rng(0).permutation(rows)[:MAX_IMAGES])


def _extract_features(stats: ImageStats, rows: NDArray[np.intp]) -> Mapping[str, NDArray[np.float64]]:
    facts = stats.records[rows]
    features = {"border": facts["border"], "mean color": np.hstack([facts["colour"], facts["spread"]])}
    if stats.has_files:
        size = np.log(np.maximum(1, np.stack([facts["width"], facts["height"]], axis=1).astype(np.float64)))
        features |= {
            "file size": np.log(np.maximum(1, facts["bytes"]))[:, None],
            "image size": np.column_stack([size, size[:, 0] - size[:, 1]]),
            "format": _encode_one_hot(facts["format"]),
            "camera": _encode_one_hot(facts["camera"]),
        }
    return {name: np.asarray(columns, np.float64) for name, columns in features.items()}


def _encode_one_hot(words: NDArray[np.bytes_]) -> NDArray[np.float64]:
    """Returns (n, MAX_CATEGORIES or fewer) whether a word is each of the commonest."""
    known, number = np.unique(words, return_counts=True)
    common = known[np.argsort(-number, kind="stable")][:MAX_CATEGORIES]
    result: NDArray[np.float64] = (words[:, None] == common[None]).astype(np.float64)
    return result
