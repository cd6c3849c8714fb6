"""Everything that can be known about a data set before a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from striate.images.imageset import ImageSet
from striate.inspection.classes import class_findings, indivisible
from striate.inspection.copies import Copies, copy_findings, find_copies
from striate.inspection.files import animated, broken_finding, lossy
from striate.inspection.finding import Finding
from striate.inspection.outliers import outlier_findings
from striate.inspection.shortcuts import Shortcut, shortcut_findings, shortcuts
from striate.inspection.survey import Survey, survey
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
