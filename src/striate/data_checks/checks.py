"""Everything that can be known about a data set before a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.data.corrections import Correction
from striate.data.image_set import ImageSet
from striate.data_checks.class_checks import class_findings, indivisible
from striate.data_checks.duplicates import Copies, copy_findings, find_copies
from striate.data_checks.file_checks import animated, broken_finding, lossy
from striate.data_checks.finding import Finding
from striate.data_checks.image_stats import Survey, survey
from striate.data_checks.outliers import outlier_findings
from striate.data_checks.shortcuts import Shortcut, shortcut_findings, shortcuts
from striate.progress import SILENT, Progress

ORDER: Mapping[str, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found out about a data set.

    Attributes:
        survey: the facts about each picture.
        copies: which pictures show the same.
        shortcuts: how well features that should not matter tell the label.
        findings: what is remarkable, the most severe first.
    """

    survey: Survey
    copies: Copies
    shortcuts: list[Shortcut]
    findings: list[Finding]


def inspect(images: ImageSet, *, progress: Progress = SILENT) -> Inspection:
    """Returns what is remarkable about an image set; every picture is decoded, unless that was done before.

    Raises:
        DataError: not one picture.
    """
    seen = survey(images, progress=progress)
    copies = find_copies(seen, progress=progress)
    told = shortcuts(seen, copies.group)
    found = [
        *indivisible(images),
        *broken_finding(images, seen.broken),
        *copy_findings(images, copies),
        *class_findings(images),
        *lossy(images),
        *animated(seen),
        *outlier_findings(seen),
        *shortcut_findings(told),
    ]
    return Inspection(seen, copies, told, sorted(found, key=lambda one: ORDER[one.severity]))


RANK = {"test": 0, "validation": 1, "train": 2, "": 3}
"""Where a picture stays if it lies in several splits: a test set keeps its size, so that figures stay comparable."""


def repairs(inspection: Inspection) -> list[Correction]:
    """Returns what to leave out: unreadable files; pictures under two labels, all of them; of other copies all but one.
    Kept is the one in the test split before those elsewhere, and then the largest.
    """
    seen, images = inspection.survey, inspection.survey.images
    found = {key: Correction(key, "exclude", reason=f"broken: {reason}") for key, reason in seen.broken.items()}
    area = seen.facts["width"].astype(np.int64) * seen.facts["height"]
    for group in inspection.copies.sets():
        keys, labels = images.keys[group], images.labels[group]
        if len(np.unique(labels)) > 1:
            names = " and ".join(sorted({images.classes[label] for label in labels}))
            found |= {str(key): Correction(str(key), "exclude", reason=f"conflict: lies under {names}") for key in keys}
            continue
        ranks = np.array([RANK[split] for split in images.given[group].tolist()])
        best = int(np.lexsort((group, -area[group], ranks))[0])
        for place, key in enumerate(keys.tolist()):
            if place != best:
                is_leak = images.given[group[place]] != images.given[group[best]]
                why = f"{'leak' if is_leak else 'duplicate'}: shows the same as {keys[best]}"
                found[key] = Correction(key, "exclude", reason=why)
    classes = dict(zip(images.keys.tolist(), images.labels.tolist(), strict=True))
    return [one._replace(was=images.classes[classes[one.key]]) for one in found.values()]
