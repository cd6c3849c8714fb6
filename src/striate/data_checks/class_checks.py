"""What the classes' names and numbers say, and what lies beside the images."""

from __future__ import annotations

import unicodedata

from striate.data.image_set import ImageSet
from striate.data.splits import split_stratified
from striate.data_checks.finding import MAX_FILES_NAMED, Finding
from striate.errors import DataError

MIN_CLASS_SIZE = 20  # images; below, a class's figures mean little
MAX_IMBALANCE_RATIO = 10  # largest class to smallest; above, accuracy flatters


def detect_class_problems(images: ImageSet) -> list[Finding]:
    """Returns what is remarkable about the classes: tiny or empty ones, imbalance, names that may mean the same."""
    found = []
    counts = images.count_by_class()
    tiny = {name: number for name, number in counts.items() if number < MIN_CLASS_SIZE}
    if tiny:
        some = ", ".join(f"{name} ({number})" for name, number in list(tiny.items())[:5])
        found.append(
            Finding(
                "tiny_class",
                "warning",
                f"{len(tiny):,} of {len(counts):,} classes have fewer than {MIN_CLASS_SIZE} images: {some}",
                "collect more, or merge them into a larger class",
                count=len(tiny),
            )
        )
    small, large = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[large] > MAX_IMBALANCE_RATIO * max(1, counts[small]):
        found.append(
            Finding(
                "imbalance",
                "warning",
                f"{large} has {counts[large]:,} images, {small} only {counts[small]:,}",
                "read recall per class rather than accuracy; collect more of the small classes",
                count=counts[large],
            )
        )
    return [*found, *_detect_name_clashes(images), *_build_ignored_findings(images)]


def detect_split_problems(images: ImageSet) -> list[Finding]:
    """Returns why the set cannot be divided into training, validation and test images, if it cannot."""
    try:
        split_stratified(images)
    except DataError as error:
        return [Finding("indivisible", "error", error.problem, error.hint or "add images", count=len(images))]
    return []


def _detect_name_clashes(images: ImageSet) -> list[Finding]:
    folded: dict[str, list[str]] = {}
    for name in images.classes:
        folded.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), []).append(name)
    return [
        Finding(
            "case_clash",
            "warning",
            f"classes that differ only in case, blanks or Unicode form: {', '.join(map(repr, names))}",
            "merge the folders if they mean the same",
            count=len(names),
        )
        for names in folded.values()
        if len(names) > 1
    ]


def _build_ignored_findings(images: ImageSet) -> list[Finding]:
    if not images.ignored_files:
        return []
    return [
        Finding(
            "ignored",
            "note",
            f"{len(images.ignored_files):,} files among the images are something else, by their names",
            "leave them, unless images are among them",
            images.ignored_files[:MAX_FILES_NAMED],
            len(images.ignored_files),
        )
    ]
