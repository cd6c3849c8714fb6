"""What the images' files say: which cannot be read, which move, which are lossy copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.preprocessing import open_image
from striate.data_checks.finding import MAX_FILES_NAMED, Finding
from striate.data_checks.image_stats import ImageStats

# ITU-T T.81 (1992), table K.1: quantisation of luminance, by row.
_LUMINANCE_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).reshape(64)


def _scale_luminance_table(quality: int) -> NDArray[np.int64]:
    """Returns the (64,) luminance table that the Independent JPEG Group's library makes for a quality in 1..100
    (jcparam.c: jpeg_quality_scaling, and jpeg_add_quant_table with its limit of 255 for baseline JPEG).
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: NDArray[np.int64] = np.clip((_LUMINANCE_TABLE * percent + 50) // 100, 1, 255)
    return table


_TABLES_BY_QUALITY = np.stack([_scale_luminance_table(quality) for quality in range(1, 101)])


def estimate_jpeg_quality(image: Image.Image) -> int | None:
    """Returns the quality in 1..100 whose table is nearest to an opened JPEG's first one; None for other formats.

    Exact for what the Independent JPEG Group's library and its descendants wrote; other encoders have tables of
    their own.
    """
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    distances = np.abs(_TABLES_BY_QUALITY - np.asarray(tables[min(tables)])).sum(axis=1)
    return int(distances.argmin()) + 1


HEADER_SAMPLE_SIZE = 100  # images whose headers are read
MAX_DOWNSCALED_SIDE = 64  # pixels; images of one size up to here are taken for copies made for learning machines


def build_unreadable_findings(images: ImageSet, decode_errors: dict[str, str]) -> list[Finding]:
    """Returns that there are unreadable images, given key → reason."""
    if not decode_errors:
        return []
    reasons = sorted({reason.partition(":")[0] for reason in decode_errors.values()})
    return [
        Finding(
            "broken",
            "warning",
            f"{len(decode_errors):,} of {len(images):,} files cannot be read ({'; '.join(reasons[:3])}); they are "
            "left out",
            "replace or delete them; a run lists them all in broken.csv",
            tuple(f"{key}: {reason}" for key, reason in decode_errors.items())[:MAX_FILES_NAMED],
            len(decode_errors),
        )
    ]


def detect_animations(stats: ImageStats) -> list[Finding]:
    """Returns that there are animations, of which only the first image is used."""
    moving = np.flatnonzero(stats.records["is_animated"])
    if not len(moving):
        return []
    return [
        Finding(
            "animated",
            "note",
            f"{len(moving):,} files hold several images (animations, page after page); only the first is used",
            "divide them into files of their own if the others count",
            tuple(stats.images.keys[moving[:MAX_FILES_NAMED]].tolist()),
            len(moving),
        )
    ]


def detect_lossy_images(images: ImageSet) -> list[Finding]:
    """Returns whether the images are small copies that JPEG compression changed, as far as a sample's headers show.

    Only of images that all have one size is it said: those were made so, whereas photographs differ.
    """
    if isinstance(images.sources, np.ndarray):
        return []
    sizes: set[tuple[int, int]] = set()
    qualities: list[int | None] = []
    for index in np.random.default_rng(0).permutation(len(images))[:HEADER_SAMPLE_SIZE].tolist():
        try:
            with open_image(images.get_source(index)) as image:
                sizes.add(image.size)
                qualities.append(estimate_jpeg_quality(image))
        except Exception:  # noqa: S112  (foreign bytes; decoding reports each broken file with its reason)
            continue
    known = [number for number in qualities if number is not None]
    if len(sizes) != 1 or min(min(sizes)) > MAX_DOWNSCALED_SIDE or 2 * len(known) <= len(qualities):
        return []
    width, height = min(sizes)
    return [
        Finding(
            "lossy",
            "warning",
            f"The images are {width}×{height} JPEG copies of quality about {np.median(known):.0f}: accuracies on "
            "them are not comparable with figures published for lossless originals",
            "say so beside every figure, or train on the originals",
            count=len(images),
        )
    ]
