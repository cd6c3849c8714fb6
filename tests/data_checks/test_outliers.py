"""Images unlike the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder
from striate.data_checks.image_stats import scan_images
from striate.data_checks.outliers import detect_outliers

pytestmark = pytest.mark.fast


def noisy(scene, seed: int) -> Image.Image:
    """Returns a scene with fine detail, as photographs have."""
    image = scene(seed)
    grain = np.random.default_rng(seed).normal(0, 20, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def test_each_way_of_standing_out_is_found_and_named(scene, scenes):
    images = {f"{'ab'[n % 2]}/{n}.png": noisy(scene, n) for n in range(60)}
    images["a/flat.png"] = Image.new("RGB", (128, 96), "grey")
    images["a/blurred.png"] = noisy(scene, 100).filter(ImageFilter.GaussianBlur(6))
    images["a/dark.png"] = ImageEnhance.Brightness(noisy(scene, 101)).enhance(0.1)
    images["b/white.png"] = Image.fromarray(255 - np.asarray(noisy(scene, 102)) // 16)
    images["b/thumbnail.png"] = noisy(scene, 103).resize((24, 18))
    images["b/banner.png"] = noisy(scene, 104).resize((600, 96))
    found = {one.message: one.files for one in detect_outliers(scan_images(scenes(images)))}
    assert found["One image is of one color"] == ("a/flat.png",)
    assert "a/blurred.png" in found[next(message for message in found if "blurrier" in message)]
    assert "a/dark.png" in found["One image is nearly black"]
    assert "b/white.png" in found["One image is nearly white"]
    assert found["One image is much smaller than the rest"] == ("b/thumbnail.png",)
    assert found["One image is of an extreme shape"] == ("b/banner.png",)


def test_ordinary_images_do_not_stand_out(photos: Path):
    assert detect_outliers(scan_images(load_folder(photos))) == []


def test_of_small_arrays_only_blank_ones_are_remarked_on():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 8, 8), np.uint8)
    pixels[7], pixels[9] = 0, rng.integers(0, 12, (8, 8))
    (finding,) = detect_outliers(scan_images(from_arrays(pixels, np.arange(50) % 2)))
    assert finding.files == ("picture/7",)
