"""What is wrong with a data set, as far as listing and decoding it shows."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np

from striate.config import config
from striate.errors import DataError
from striate.images.cache import decode_all
from striate.images.imageset import ImageSet
from striate.images.jpeg import quality
from striate.images.pixels import Preprocessing, header
from striate.images.split import split
from striate.progress import SILENT, Progress

TINY = 20  # pictures; below, a class's figures mean little
SAMPLE = 100  # pictures whose headers are read
SMALL = 64  # pixels; pictures of one size up to here are taken for copies made for learning machines
RATIO = 10  # largest class to smallest; above, accuracy flatters


@config
class Finding:
    """Something to know before trusting a training.

    Attributes:
        kind: a fixed word for it.
        severity: `error` stops a training, `warning` should be looked at, `note` is for information.
        message: what was found.
        fix: what to do.
        files: the pictures concerned, by key (at most 1,000).
        count: how many there are.
    """

    kind: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str
    files: tuple[str, ...] = ()
    count: int = 0


def unreadable(images: ImageSet, *, progress: Progress = SILENT) -> dict[str, str]:
    """Returns key → reason for the pictures that cannot be decoded; decodes every file once."""
    if isinstance(images.sources, np.ndarray):
        return {}
    return decode_all(images, Preprocessing(8, 8, 1, interpolation="nearest"), progress=progress).broken


def indivisible(images: ImageSet) -> list[Finding]:
    """Returns why the set cannot be divided into training, validation and test pictures, if it cannot."""
    try:
        split(images)
    except DataError as error:
        return [Finding("indivisible", "error", error.problem, error.hint or "add pictures", count=len(images))]
    return []


def check(images: ImageSet, broken: dict[str, str] | None = None) -> list[Finding]:
    """Returns what is remarkable about the pictures' number, names and readability.

    Args:
        images: the whole set.
        broken: key → reason, from decoding it.
    """
    found = []
    counts = images.counts()
    if broken:
        reasons = sorted({reason.partition(":")[0] for reason in broken.values()})
        found.append(
            Finding(
                "broken",
                "warning",
                f"{len(broken):,} of {len(images):,} files cannot be read ({'; '.join(reasons[:3])})"
                + "; they are left out",
                "replace or delete them; a run lists them all in broken.csv",
                tuple(f"{key}: {reason}" for key, reason in broken.items())[:1000],
                len(broken),
            )
        )
    tiny = {name: number for name, number in counts.items() if number < TINY}
    if tiny:
        some = ", ".join(f"{name} ({number})" for name, number in list(tiny.items())[:5])
        found.append(
            Finding(
                "tiny_class",
                "warning",
                f"{len(tiny):,} of {len(counts):,} classes have fewer than {TINY} pictures: {some}",
                "collect more, or merge them into a larger class",
                count=len(tiny),
            )
        )
    small, large = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[large] > RATIO * max(1, counts[small]):
        found.append(
            Finding(
                "imbalance",
                "warning",
                f"{large} has {counts[large]:,} pictures, {small} only {counts[small]:,}",
                "read recall per class rather than accuracy; collect more of the small classes",
                count=counts[large],
            )
        )
    folded: dict[str, list[str]] = {}
    for name in images.classes:
        folded.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), []).append(name)
    found += [
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
    found += _lossy(images)
    if images.ignored:
        found.append(
            Finding(
                "ignored",
                "note",
                f"{len(images.ignored):,} files among the pictures are something else, by their names",
                "leave them, unless pictures are among them",
                images.ignored[:1000],
                len(images.ignored),
            )
        )
    return found


def _lossy(images: ImageSet) -> list[Finding]:
    """Returns whether the pictures are small copies that JPEG compression changed, as far as a sample's headers show.

    Only of pictures that all have one size is it said: those were made so, whereas photographs differ.
    """
    if isinstance(images.sources, np.ndarray):
        return []
    sizes: set[tuple[int, int]] = set()
    qualities: list[int | None] = []
    for index in np.random.default_rng(0).permutation(len(images))[:SAMPLE].tolist():
        try:
            with header(images.source(index)) as image:
                sizes.add(image.size)
                qualities.append(quality(image))
        except Exception:  # noqa: S112  (foreign bytes; decoding reports each broken file with its reason)
            continue
    known = [number for number in qualities if number is not None]
    if len(sizes) != 1 or min(min(sizes)) > SMALL or 2 * len(known) <= len(qualities):
        return []
    width, height = min(sizes)
    return [
        Finding(
            "lossy",
            "warning",
            f"The pictures are {width}×{height} JPEG copies of quality about {np.median(known):.0f}: accuracies on "
            "them are not comparable with figures published for lossless originals",
            "say so beside every figure, or train on the originals",
            count=len(images),
        )
    ]
