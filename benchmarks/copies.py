"""How surely copies are found: planted ones, kind by kind, at several thresholds.

    python benchmarks/copies.py DATA [--pictures N] [--copies N]

DATA holds cats_dogs, fashion_mnist and mnist. Of each, N images are taken, and of some of them a changed copy is
added: re-encoded as JPEG, halved, mirrored, brightened, darkened, cropped, or several of these. Recall is the
fraction of the planted pairs that are found. `real` are pairs of originals that are found at the strictest thresholds
already, up to 0.1: the sets hold copies of their own. False are further pairs of originals. `ratio` is the threshold
(likeness.RATIO). At last the copies that the sets hold as they are published, at the same thresholds.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from striate.data.image_set import ImageSet
from striate.data.loaders.load import load_images
from striate.data_checks.image_stats import scan_image, scan_images
from striate.data_checks.near_duplicates import MAX_DISTANCE_RATIO, find_connected_groups, find_near_duplicates

RATIOS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
SETS = ("cats_dogs", "fashion_mnist", "mnist")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Returns the image after JPEG compression."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def halved(image: Image.Image) -> Image.Image:
    """Returns the image at half its size."""
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "identical": lambda image: image,
    "JPEG, quality 75": lambda image: jpeg(image, 75),
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "half the size": halved,
    "mirrored": ImageOps.mirror,
    "brightness × 1.3": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "brightness × 0.7": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "contrast × 0.7": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "cropped by 5 % a side": lambda image: ImageOps.crop(image, image.width // 20),
    "half, mirrored, JPEG 50": lambda image: jpeg(ImageOps.mirror(halved(image)), 50),
}


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns what a survey keeps of the image."""
    one = ImageSet("", ("",), np.zeros(1, np.int32), np.array(["0"]), pixels[None], np.array([""]))
    found: NDArray[np.uint8] = scan_image(one, 0)["thumbnail"]
    return found


def planted(images: ImageSet, total: int, copies: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
    """Returns the thumbnails of originals and copies, and kind → (n, 2) numbers of original and copy."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(images))[:total]
    originals = [images.read(int(index)) for index in chosen]
    thumbnails = [thumbnail(pixels) for pixels in originals]
    pairs: dict[str, NDArray[np.int64]] = {}
    for kind, change in CHANGES.items():
        own = rng.permutation(total)[:copies]
        numbers = np.arange(len(thumbnails), len(thumbnails) + copies)
        for index in own.tolist():
            pixels = originals[index]
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
            thumbnails.append(thumbnail(np.asarray(change(image))))
        pairs[kind] = np.stack([own, numbers], axis=1)
    return np.stack(thumbnails), pairs


def measured(name: str, data: Path, total: int, copies: int) -> dict[str, Any]:
    """Returns recall by kind and false alarms, by threshold."""
    images = load_images(data / name) if name == "cats_dogs" else load_images(name, data_dir=data)
    thumbnails, pairs = planted(images, total, copies)
    source = np.concatenate([np.arange(total), *(one[:, 0] for one in pairs.values())])  # copy → its original
    found = {ratio: find_near_duplicates(thumbnails, max_distance_ratio=ratio) for ratio in RATIOS}
    strict = zip(found[RATIOS[1]].first.tolist(), found[RATIOS[1]].second.tolist(), strict=True)
    real = {tuple(sorted((int(source[a]), int(source[b])))) for a, b in strict if source[a] != source[b]}
    curve = []
    for ratio, one in found.items():
        there = {(int(a), int(b)) for a, b in zip(one.first, one.second, strict=True)}
        apart = [tuple(sorted((int(source[a]), int(source[b])))) for a, b in there if source[a] != source[b]]
        false = sum(pair not in real for pair in apart)
        recall = {kind: float(np.mean([tuple(p) in there for p in own.tolist()])) for kind, own in pairs.items()}
        curve.append(
            {
                "ratio": ratio,
                "recall": recall,
                "mean_recall": float(np.mean(list(recall.values()))),
                "pairs": len(there),
                "false": false,
                "precision": 1 - false / len(there) if there else None,
            }
        )
    return {"pictures": total, "copies of each kind": copies, "real": len(real), "curve": curve}


def published(name: str, data: Path) -> dict[str, Any]:
    """Returns how many copies a set holds as it is published, by threshold: duplicate groups that are there more than
    once, those of them within training or test images, and across.
    """
    images = load_images(data / name) if name == "cats_dogs" else load_images(name, data_dir=data)
    facts = scan_images(images).records
    is_test = images.splits == "test"
    rows = []
    for ratio in RATIOS:
        pairs = find_near_duplicates(facts["thumbnail"], max_distance_ratio=ratio)
        group = find_connected_groups(len(images), pairs.first, pairs.second)
        sizes = [np.bincount(group[part], minlength=group.max() + 1) for part in (~is_test, is_test)]
        train, test = (size > 1 for size in sizes)
        across = (sizes[0] > 0) & (sizes[1] > 0)
        rows.append(
            {
                "ratio": ratio,
                "motifs": int((train | test | across).sum()),
                "within training": int(train.sum()),
                "within test": int(test.sum()),
                "across": int(across.sum()),
            }
        )
    return {"pictures": len(images), "thresholds": rows}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--copies", type=int, default=200)
    options = parser.parse_args()
    publish(
        {
            "benchmark": "copies",
            "default": MAX_DISTANCE_RATIO,
            "sets": {name: measured(name, options.data, options.pictures, options.copies) for name in SETS},
            "published": {name: published(name, options.data) for name in (*SETS, "digits")},
        }
    )


if __name__ == "__main__":
    main()
