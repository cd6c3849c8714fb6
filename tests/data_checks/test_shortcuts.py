"""What should not tell the label and does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.loaders.folder import load_folder
from striate.data_checks.duplicates import find_duplicates
from striate.data_checks.image_stats import scan_images
from striate.data_checks.shortcuts import build_shortcut_findings, measure_shortcuts

pytestmark = pytest.mark.fast


def written(root: Path, save) -> ImageSet:
    """Two classes of 60 images of noise; `save(image, path without ending, label)` makes the difference."""
    rng = np.random.default_rng(0)
    for number in range(120):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        size = tuple(int(side) for side in rng.integers(60, 90, 2))
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        save(Image.fromarray(pixels).resize((size[1], size[0])), folder / f"{number}", number % 2)
    return load_folder(root)


def by_format(image: Image.Image, path: Path, label: int) -> None:
    image.save(path.with_suffix(".png" if label else ".bmp"))


def by_quality(image: Image.Image, path: Path, label: int) -> None:
    image.save(path.with_suffix(".jpg"), quality=95 if label else 40)


def by_size(image: Image.Image, path: Path, label: int) -> None:
    image.resize((100, 80) if label else (80, 100)).save(path.with_suffix(".png"))


def by_camera(image: Image.Image, path: Path, label: int) -> None:
    exif = Image.Exif()
    exif[271], exif[272] = "Maker", f"Model {label}"
    image.save(path.with_suffix(".jpg"), exif=exif)


def by_border(image: Image.Image, path: Path, label: int) -> None:
    framed = Image.new("RGB", image.size, "white" if label else "black")
    framed.paste(image.crop((4, 4, image.width - 4, image.height - 4)), (4, 4))
    framed.save(path.with_suffix(".png"))


def by_colour(image: Image.Image, path: Path, label: int) -> None:
    tint = Image.new("RGB", image.size, "red" if label else "blue")
    Image.blend(image, tint, 0.2).save(path.with_suffix(".png"))


def by_nothing(image: Image.Image, path: Path, label: int) -> None:
    image.save(path.with_suffix(".png"))


CASES = {
    "format": by_format,
    "file size": by_quality,
    "image size": by_size,
    "camera": by_camera,
    "border": by_border,
    "mean color": by_colour,
}


@pytest.mark.parametrize("feature", CASES)
def test_a_planted_shortcut_is_found(tmp_path: Path, feature: str):
    seen = scan_images(written(tmp_path, CASES[feature]))
    found = {one.feature: one for one in measure_shortcuts(seen, find_duplicates(seen).group_ids)}
    assert found[feature].accuracy > 0.95 and found[feature].gain > 0.9
    findings = build_shortcut_findings(list(found.values()))
    worded = "look of the edge" if feature == "border" else feature
    finding = next(one for one in findings if worded in one.message)
    assert (finding.kind, finding.severity) == ("shortcut", "warning")
    assert finding.evidence is not None and finding.evidence["chance"] == 0.5


def test_where_nothing_tells_the_label_nothing_is_said(tmp_path: Path):
    seen = scan_images(written(tmp_path, by_nothing))
    found = measure_shortcuts(seen, find_duplicates(seen).group_ids)
    assert {one.feature for one in found} >= {"file size", "image size", "border", "mean color"}
    assert all(one.gain < 0.35 for one in found) and build_shortcut_findings(found) == []


def test_copies_do_not_make_a_shortcut(tmp_path: Path):
    rng = np.random.default_rng(1)
    for number in range(30):  # each image five times: a tree could learn them by heart
        buffer = io.BytesIO()
        side = 60 + number
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
        folder = tmp_path / "ab"[int(rng.integers(2))]
        folder.mkdir(exist_ok=True)
        for copy in range(5):
            (folder / f"{number}-{copy}.png").write_bytes(buffer.getvalue())
    seen = scan_images(load_folder(tmp_path))
    assert all(one.gain < 0.4 for one in measure_shortcuts(seen, find_duplicates(seen).group_ids))


def test_one_class_or_few_images_give_no_verdict(images_of):
    for images in (images_of(a=30, b=3), images_of(a=4, b=4)):
        assert measure_shortcuts(scan_images(images), np.arange(len(images))) == []
