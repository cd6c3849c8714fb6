"""The contact sheet."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.contact_sheet import (
    GAP_PIXELS,
    LABEL_PIXELS,
    MARGIN_PIXELS,
    MAX_CLASSES,
    TILE_PIXELS,
    sample_class_images,
    save_contact_sheet,
)
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder

pytestmark = pytest.mark.fast

COLOURS = np.array([(230, 20, 20), (20, 230, 20), (20, 20, 230)], np.uint8)


def coloured(side: int = 100):
    """Six images of each of three classes, each class in its own color."""
    labels = np.arange(18) % 3
    pixels = np.broadcast_to(COLOURS[labels][:, None, None], (18, side, side, 3)).copy()
    return from_arrays(pixels, labels, classes=["red", "green", "blue"])


def tile(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    left, top = (
        MARGIN_PIXELS + LABEL_PIXELS + column * (TILE_PIXELS + GAP_PIXELS),
        MARGIN_PIXELS + 44 + row * (TILE_PIXELS + GAP_PIXELS),
    )
    return np.asarray(sheet.crop((left, top, left + TILE_PIXELS, top + TILE_PIXELS)))


@pytest.mark.parametrize("side", [8, 100])
def test_each_class_has_a_row_of_its_own_images(tmp_path: Path, side: int):
    save_contact_sheet(coloured(side), tmp_path / "sheet.png", columns=4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        for row, color in enumerate(COLOURS):
            for column in range(4):
                assert (tile(sheet, row, column) == color).all()
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]


def test_rows_are_labelled(tmp_path: Path):
    save_contact_sheet(coloured(), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        for row in range(3):
            top = MARGIN_PIXELS + 44 + row * (TILE_PIXELS + GAP_PIXELS)
            label = np.asarray(
                sheet.convert("L").crop((MARGIN_PIXELS, top, MARGIN_PIXELS + LABEL_PIXELS - GAP_PIXELS, top + 34))
            )
            assert label.min() < 100


def test_unreadable_images_are_left_out(photos: Path, tmp_path: Path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    for file in sorted((root / "across").iterdir())[:27]:
        file.write_bytes(b"broken")
    images = load_folder(root)
    assert len(sample_class_images(images, 0, 12)) == 3
    assert len(sample_class_images(images, 1, 12)) == 12
    save_contact_sheet(images, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (tile(sheet, 0, 3) == 255).all()
        assert not (tile(sheet, 0, 2) == 255).all()


def test_the_same_seed_draws_the_same_images_and_no_image_twice(photos: Path):
    images = load_folder(photos)
    one, two, other = (sample_class_images(images, 0, 12, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert len({image.tobytes() for image in one}) == 12
    assert [image.tobytes() for image in one] != [image.tobytes() for image in other]


def test_more_than_a_hundred_classes_and_names_of_every_kind_make_a_sheet(tmp_path: Path):
    pixels = np.zeros((150, 8, 8), np.uint8)
    names = ["a" * 300, "猫", "two\nlines", "\x1b[31m", *(f"class {number:03}" for number in range(146))]
    images = replace(from_arrays(pixels, np.arange(150), classes=names), name="odd \x1b name")
    save_contact_sheet(images, tmp_path / "sheet.png", columns=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 2 * MARGIN_PIXELS + 44 + MAX_CLASSES * (TILE_PIXELS + GAP_PIXELS)
