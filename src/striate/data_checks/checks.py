"""Everything that can be known about a data set before a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.data.corrections import Correction
from striate.data.image_set import ImageSet
from striate.data_checks.class_checks import detect_class_problems, detect_split_problems
from striate.data_checks.duplicates import DuplicateGroups, build_duplicate_findings, find_duplicates
from striate.data_checks.file_checks import build_unreadable_findings, detect_animations, detect_lossy_images
from striate.data_checks.finding import Finding
from striate.data_checks.image_stats import ImageStats, scan_images
from striate.data_checks.outliers import detect_outliers
from striate.data_checks.shortcuts import Shortcut, build_shortcut_findings, measure_shortcuts
from striate.progress import NO_PROGRESS, Progress

SEVERITY_ORDER: Mapping[str, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found out about a data set.

    Attributes:
        stats: the facts about each image.
        duplicates: which images show the same.
        shortcuts: how well features that should not matter tell the label.
        findings: what is remarkable, the most severe first.
    """

    stats: ImageStats
    duplicates: DuplicateGroups
    shortcuts: list[Shortcut]
    findings: list[Finding]


def inspect_images(images: ImageSet, *, progress: Progress = NO_PROGRESS) -> Inspection:
    """Returns what is remarkable about an image set; every image is decoded, unless that was done before.

    Raises:
        DataError: not one image.
    """
    seen = scan_images(images, progress=progress)
    copies = find_duplicates(seen, progress=progress)
    told = measure_shortcuts(seen, copies.group_ids)
    found = [
        *detect_split_problems(images),
        *build_unreadable_findings(images, seen.decode_errors),
        *build_duplicate_findings(images, copies),
        *detect_class_problems(images),
        *detect_lossy_images(images),
        *detect_animations(seen),
        *detect_outliers(seen),
        *build_shortcut_findings(told),
    ]
    return Inspection(seen, copies, told, sorted(found, key=lambda one: SEVERITY_ORDER[one.severity]))


SPLIT_RANK = {"test": 0, "validation": 1, "train": 2, "": 3}
"""Where an image stays if it lies in several splits: a test set keeps its size, so that figures stay comparable."""


def suggest_corrections(inspection: Inspection) -> list[Correction]:
    """Returns what to leave out: unreadable files; images under two labels, all of them; of other copies all but one.
    Kept is the one in the test split before those elsewhere, and then the largest.
    """
    seen, images = inspection.stats, inspection.stats.images
    found = {key: Correction(key, "exclude", reason=f"broken: {reason}") for key, reason in seen.decode_errors.items()}
    area = seen.records["width"].astype(np.int64) * seen.records["height"]
    for group in inspection.duplicates.list_groups():
        keys, labels = images.keys[group], images.labels[group]
        if len(np.unique(labels)) > 1:
            names = " and ".join(sorted({images.classes[label] for label in labels}))
            found |= {str(key): Correction(str(key), "exclude", reason=f"conflict: lies under {names}") for key in keys}
            continue
        ranks = np.array([SPLIT_RANK[split] for split in images.splits[group].tolist()])
        best = int(np.lexsort((group, -area[group], ranks))[0])
        for place, key in enumerate(keys.tolist()):
            if place != best:
                is_leak = images.splits[group[place]] != images.splits[group[best]]
                why = f"{'leak' if is_leak else 'duplicate'}: shows the same as {keys[best]}"
                found[key] = Correction(key, "exclude", reason=why)
    classes = dict(zip(images.keys.tolist(), images.labels.tolist(), strict=True))
    return [one._replace(original_label=images.classes[classes[one.key]]) for one in found.values()]
