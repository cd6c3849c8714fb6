"""What the images' files say: broken, moving, lossy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.loaders.folder import load_folder
from striate.data.loaders.load import load_images
from striate.data_checks.file_checks import (
    build_unreadable_findings,
    detect_animations,
    detect_lossy_images,
    estimate_jpeg_quality,
)
from striate.data_checks.image_stats import scan_images

pytestmark = pytest.mark.fast


def test_broken_files_are_counted_and_listed_with_their_reasons(photos: Path, tmp_path: Path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "across" / "x.jpg").touch()
    (root / "upright" / "y.jpg").write_bytes(b"<html>")
    images = load_folder(root)
    (finding,) = build_unreadable_findings(images, scan_images(images).decode_errors)
    assert (finding.severity, finding.count) == ("warning", 2)
    assert "2 of 92 files cannot be read" in finding.message
    assert finding.files == (
        "across/x.jpg: empty file (0 bytes)",
        "upright/y.jpg: a web page saved under an image's name",
    )


def test_nothing_broken_nothing_said(photos: Path):
    images = load_folder(photos)
    assert (
        build_unreadable_findings(images, scan_images(images).decode_errors)
        == detect_animations(scan_images(images))
        == []
    )


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_animations_and_pages_the_first_image_is_used_and_that_is_noted(tmp_path: Path, kind: str):
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue", "green")]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        frames[0].save(tmp_path / name / f"still.{kind}")
    frames[0].save(tmp_path / "a" / f"moving.{kind}", save_all=True, append_images=frames[1:])
    images = load_folder(tmp_path)
    seen = scan_images(images)
    (finding,) = detect_animations(seen)
    assert (finding.severity, finding.files) == ("note", (f"a/moving.{kind}",))
    red, green, blue = seen.records["colour"][images.keys.tolist().index(f"a/moving.{kind}")]
    assert red > 240 and green < 15 and blue < 15


def small_pictures(root: Path, kind: str, sides: list[int], **options: int) -> ImageSet:
    rng = np.random.default_rng(0)
    for number, side in enumerate(sides):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (side, side + 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{kind}", **options)
    return load_folder(root)


@pytest.mark.parametrize("number", [1, 5, 30, 49, 50, 75, 90, 95, 99, 100])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_quality_of_a_jpeg_is_read_from_its_table(tmp_path: Path, number: int, mode: str):
    Image.new(mode, (9, 9)).save(tmp_path / "a.jpg", quality=number)
    with Image.open(tmp_path / "a.jpg") as image:
        assert estimate_jpeg_quality(image) == number
    Image.new(mode, (9, 9)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert estimate_jpeg_quality(image) is None


def test_small_jpeg_copies_are_called_lossy_before_anyone_compares(tmp_path: Path):
    images = small_pictures(tmp_path, "jpg", [28] * 60, quality=75)
    (tmp_path / "a" / "broken.jpg").write_bytes(b"<html>")
    finding = detect_lossy_images(load_folder(tmp_path))[0]
    assert finding.severity == "warning"
    assert "32×28 JPEG copies of quality about 75: accuracies on them are not comparable" in finding.message
    assert detect_lossy_images(images)[0].count == 60


@pytest.mark.parametrize(
    ("kind", "sides"),
    [("png", [28] * 60), ("jpg", [65] * 60), ("jpg", [400] * 40), ("jpg", [28, 30] * 30)],
    ids=["PNG", "larger", "photographs", "sizes that differ"],
)
def test_other_images_are_not_called_lossy(tmp_path: Path, kind: str, sides: list[int]):
    assert detect_lossy_images(small_pictures(tmp_path, kind, sides)) == []


def test_real_photographs_are_not_called_lossy_and_cifar10_in_jpeg_is(test_data: Path):
    assert detect_lossy_images(load_images(test_data / "cats_dogs")) == []
    assert "quality about 75" in detect_lossy_images(load_images(test_data / "cifar10_jpeg"))[0].message
