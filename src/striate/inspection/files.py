"""What the pictures' files say: which cannot be read, which move, which are lossy copies."""

from __future__ import annotations

import numpy as np

from striate.images.imageset import ImageSet
from striate.images.jpeg import quality
from striate.images.pixels import header
from striate.inspection.finding import MOST, Finding
from striate.inspection.survey import Survey

SAMPLE = 100  # pictures whose headers are read
SMALL = 64  # pixels; pictures of one size up to here are taken for copies made for learning machines


def broken_finding(images: ImageSet, broken: dict[str, str]) -> list[Finding]:
    """Returns that there are unreadable pictures, given key → reason."""
    if not broken:
        return []
    reasons = sorted({reason.partition(":")[0] for reason in broken.values()})
    return [
        Finding(
            "broken",
            "warning",
            f"{len(broken):,} of {len(images):,} files cannot be read ({'; '.join(reasons[:3])}); they are left out",
            "replace or delete them; a run lists them all in broken.csv",
            tuple(f"{key}: {reason}" for key, reason in broken.items())[:MOST],
            len(broken),
        )
    ]


def animated(survey: Survey) -> list[Finding]:
    """Returns that there are animations, of which only the first picture is used."""
    moving = np.flatnonzero(survey.facts["is_animated"])
    if not len(moving):
        return []
    return [
        Finding(
            "animated",
            "note",
            f"{len(moving):,} files hold several pictures (animations, page after page); only the first is used",
            "divide them into files of their own if the others count",
            tuple(survey.images.keys[moving[:MOST]].tolist()),
            len(moving),
        )
    ]


def lossy(images: ImageSet) -> list[Finding]:
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
