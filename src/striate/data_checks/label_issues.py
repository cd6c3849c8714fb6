"""Labels in doubt: which images' labels the other images contradict, by confident learning (Northcutt, Jiang and
Chuang 2021, arXiv:1911.00068).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.corrections import Correction
from striate.data.image_set import ImageSet
from striate.data_checks.finding import MAX_FILES_NAMED, Finding


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Images in doubt, the most doubtful first; fields parallel but for the last.

    Attributes:
        keys: (n,) their names.
        given_labels: (n,) the labels they have.
        predicted_labels: (n,) the labels that the models give them.
        margins: (n,) probability of the given label less that of the suggested one, −1..1 (the self-confidence margin).
        confident_count: how many of them confident learning takes for wrong.
        classes: the names of the labels.
    """

    keys: NDArray[np.str_]
    given_labels: NDArray[np.int32]
    predicted_labels: NDArray[np.intp]
    margins: NDArray[np.float64]
    confident_count: int
    classes: tuple[str, ...]

    def to_corrections(self) -> list[Correction]:
        """Returns a row for each of the confident ones, to be decided on: it is kept until someone says otherwise."""
        rows = zip(self.keys, self.given_labels, self.predicted_labels, self.margins, strict=True)
        return [
            Correction(
                str(key), "keep", self.classes[other], self.classes[label], f"label_suspect: margin {margin:.3f}"
            )
            for key, label, other, margin in list(rows)[: self.confident_count]
        ]


def rank_label_issues(images: ImageSet, probabilities: NDArray[np.float64]) -> LabelIssues:
    """Returns all images whose likeliest label is another than theirs, by the margin between the two, smallest first.

    Confident are those that count off the diagonal of the confident joint (equation 1): a class's threshold is the mean
    probability that its own images give it, and an image belongs to the likeliest class whose threshold it reaches.
    """
    labels, everyone = images.labels, np.arange(len(images))
    own = probabilities[everyone, labels]
    thresholds = np.array(
        [own[labels == label].mean() if (labels == label).any() else np.inf for label in range(len(images.classes))]
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    is_confident = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != labels)
    others = probabilities.copy()
    others[everyone, labels] = -1
    suggested = others.argmax(axis=1)
    margin = own - others[everyone, suggested]
    order = np.argsort(margin, kind="stable")
    order = order[margin[order] < 0]
    return LabelIssues(
        images.keys[order],
        labels[order],
        suggested[order],
        margin[order],
        int(is_confident[order].sum()),
        images.classes,
    )


def build_label_issue_findings(label_issues: LabelIssues, total: int) -> list[Finding]:
    """Returns that there are labels in doubt, of so many images."""
    count = label_issues.confident_count
    if not count:
        return []
    files = tuple(label_issues.keys[: min(count, MAX_FILES_NAMED)].tolist())
    return [
        Finding(
            "label_suspect",
            "warning" if count > 0.01 * total else "note",
            f"{count:,} of {total:,} labels are contradicted by the other images (confident learning, out of fold); "
            f"the first: {label_issues.keys[0]} is {label_issues.classes[label_issues.given_labels[0]]!r}, said to be "
            f"{label_issues.classes[label_issues.predicted_labels[0]]!r}",
            "look at them from the top (striate data --label-issues --fix lists them all with what they may be)",
            files,
            count,
        )
    ]
