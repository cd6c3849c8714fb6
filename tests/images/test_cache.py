"""Decoding a whole set once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError
from striate.images.cache import CHUNK, decode_all
from striate.images.imageset import ImageSet
from striate.images.pixels import Preprocessing
from striate.images.sources.arrays import from_arrays
from striate.images.sources.folder import load_folder
from striate.progress import Progress

FORM = Preprocessing(16, 20, 3)


@pytest.fixture
def spoilt(photos: Path, tmp_path: Path) -> ImageSet:
    """The photographs with four broken files among them, the first and the last included."""
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "across" / "000.jpg").write_bytes(b"")
    (root / "across" / "across 7.jpg").write_bytes(b"<html>gone</html>")
    (root / "slanting" / "slanting 3.jpg").write_bytes((photos / "slanting" / "slanting 3.jpg").read_bytes()[:400])
    (root / "upright" / "zzz.jpg").write_bytes(bytes(99))
    return load_folder(root)


def test_pixels_are_those_that_preprocessing_gives_in_order(photos: Path):
    images = load_folder(photos)
    assert len(images) > CHUNK  # more than one job
    decoded = decode_all(images, FORM)
    assert decoded.broken == {}
    assert decoded.images is images
    np.testing.assert_array_equal(decoded.pixels, np.stack([FORM(images.source(i)) for i in range(len(images))]))


def test_broken_files_are_left_out_and_named_with_their_reasons(spoilt: ImageSet):
    decoded = decode_all(spoilt, FORM)
    assert list(decoded.broken) == [
        "across/000.jpg",
        "across/across 7.jpg",
        "slanting/slanting 3.jpg",
        "upright/zzz.jpg",
    ]
    assert decoded.broken["across/000.jpg"] == "empty file (0 bytes)"
    assert decoded.broken["upright/zzz.jpg"] == "nothing but zero bytes"
    assert set(decoded.images.keys.tolist()) == set(spoilt.keys.tolist()) - set(decoded.broken)
    assert len(decoded.pixels) == len(decoded.images) == 88
    for index in range(len(decoded.images)):
        np.testing.assert_array_equal(decoded.pixels[index], FORM(decoded.images.source(index)))


@pytest.mark.parametrize("limit", [0, 10**9])
def test_a_memory_limit_changes_where_pixels_lie_and_not_what_they_are(spoilt: ImageSet, limit: int):
    usual, other = decode_all(spoilt, FORM), decode_all(spoilt, FORM, memory_limit=limit)
    assert isinstance(other.pixels, np.memmap) == (limit == 0)
    np.testing.assert_array_equal(other.pixels, usual.pixels)
    assert other.broken == usual.broken


def test_a_memory_map_can_still_be_indexed_by_any_order(photos: Path):
    decoded = decode_all(load_folder(photos), FORM, memory_limit=1)
    order = np.random.default_rng(0).permutation(len(decoded.images))
    assert decoded.pixels[order].shape == (90, 16, 20, 3)


def test_a_set_without_one_readable_picture_is_an_error_that_shows_the_first(tmp_path: Path):
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"None of the 2 pictures .*Received: cat/1\.png: empty file \(0 bytes\)"):
        decode_all(load_folder(tmp_path), FORM)


def test_arrays_pass_through_unchanged_when_they_have_the_size():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_all(from_arrays(pixels, [0, 1, 0, 1, 0]), FORM).pixels, pixels)


def test_an_error_that_is_not_about_one_picture_ends_the_work(photos: Path):
    class Interrupted(Progress):
        def advance(self, count: int = 1, note: str | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_all(load_folder(photos), FORM, progress=Interrupted())


def test_progress_counts_every_picture_once(spoilt: ImageSet):
    class Counted(Progress):
        total = done = 0

        def begin(self, task: str, total: int, unit: str) -> None:
            self.total = total

        def advance(self, count: int = 1, note: str | None = None) -> None:
            self.done += count

    counted = Counted()
    decode_all(spoilt, FORM, progress=counted)
    assert counted.done == counted.total == len(spoilt)
