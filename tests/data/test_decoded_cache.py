"""Decoding a whole set once."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.data import decoded_cache
from striate.data.decoded_cache import decode_all
from striate.data.image_set import EncodedImages, ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder
from striate.data.prefetch import IMAGES_PER_CHUNK
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError
from striate.progress import Progress

pytestmark = pytest.mark.fast

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
    assert len(images) > IMAGES_PER_CHUNK  # more than one job
    decoded = decode_all(images, FORM)
    assert decoded.decode_errors == {}
    assert decoded.images is images
    np.testing.assert_array_equal(decoded.pixels, np.stack([FORM(images.get_source(i)) for i in range(len(images))]))


def test_broken_files_are_left_out_and_named_with_their_reasons(spoilt: ImageSet):
    decoded = decode_all(spoilt, FORM)
    assert list(decoded.decode_errors) == [
        "across/000.jpg",
        "across/across 7.jpg",
        "slanting/slanting 3.jpg",
        "upright/zzz.jpg",
    ]
    assert decoded.decode_errors["across/000.jpg"] == "empty file (0 bytes)"
    assert decoded.decode_errors["upright/zzz.jpg"] == "nothing but zero bytes"
    assert set(decoded.images.keys.tolist()) == set(spoilt.keys.tolist()) - set(decoded.decode_errors)
    assert len(decoded.pixels) == len(decoded.images) == 88
    for index in range(len(decoded.images)):
        np.testing.assert_array_equal(decoded.pixels[index], FORM(decoded.images.get_source(index)))


@pytest.mark.parametrize("limit", [0, 10**9])
def test_a_memory_limit_changes_where_pixels_lie_and_not_what_they_are(spoilt: ImageSet, limit: int):
    usual, other = decode_all(spoilt, FORM), decode_all(spoilt, FORM, memory_limit=limit)
    assert isinstance(other.pixels, np.memmap) == (limit == 0)
    np.testing.assert_array_equal(other.pixels, usual.pixels)
    assert other.decode_errors == usual.decode_errors


def test_a_memory_map_can_still_be_indexed_by_any_order(photos: Path):
    decoded = decode_all(load_folder(photos), FORM, memory_limit=1)
    order = np.random.default_rng(0).permutation(len(decoded.images))
    assert decoded.pixels[order].shape == (90, 16, 20, 3)


def test_a_set_without_one_readable_image_is_an_error_that_shows_the_first(tmp_path: Path):
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"None of the 2 images .*Received: cat/1\.png: empty file \(0 bytes\)"):
        decode_all(load_folder(tmp_path), FORM)


def test_arrays_pass_through_unchanged_when_they_have_the_size():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_all(from_arrays(pixels, [0, 1, 0, 1, 0]), FORM).pixels, pixels)


def test_an_error_that_is_not_about_one_image_ends_the_work(photos: Path):
    class Interrupted(Progress):
        def advance(self, count: int = 1, note: str | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_all(load_folder(photos), FORM, progress=Interrupted())


def test_progress_counts_every_image_once(spoilt: ImageSet):
    class Counted(Progress):
        total = done = 0

        def begin(self, task: str, total: int, unit: str) -> None:
            self.total = total

        def advance(self, count: int = 1, note: str | None = None) -> None:
            self.done += count

    counted = Counted()
    decode_all(spoilt, FORM, progress=counted)
    assert counted.done == counted.total == len(spoilt)


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """The folder of what is kept, empty; everything counts as slow."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded_cache, "MIN_CACHE_SECONDS", 0.0)
    return decoded_cache.DECODED_CACHE.folder


def _known(images: ImageSet, form: Preprocessing = FORM, **options) -> bool:
    """Decodes twice's worth of checks: what comes back is right, and tells whether it was known."""
    found, expected = decode_all(images, form, use_cache=True, **options), decode_all(images, form)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.images.keys, expected.images.keys)
    assert found.decode_errors == expected.decode_errors
    return found.is_cached


def test_the_second_time_nothing_is_decoded(spoilt: ImageSet, shelf: Path, monkeypatch):
    assert not _known(spoilt)
    assert _known(spoilt)
    expected = decode_all(spoilt, FORM)
    monkeypatch.setattr(Preprocessing, "__call__", lambda self, picture: pytest.fail("decoded again"))
    found = decode_all(spoilt, FORM, use_cache=True)
    np.testing.assert_array_equal(found.pixels, expected.pixels)


def test_more_than_the_memory_allows_stays_on_the_disk(spoilt: ImageSet, shelf: Path):
    assert not _known(spoilt, memory_limit=0)
    assert _known(spoilt, memory_limit=0)
    assert isinstance(decode_all(spoilt, FORM, use_cache=True, memory_limit=0).pixels, np.memmap)
    assert not isinstance(decode_all(spoilt, FORM, use_cache=True).pixels, np.memmap)


def _touched(images: ImageSet) -> None:
    path = images.sources[5]
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))


def _another_picture(images: ImageSet) -> None:
    shutil.copy(images.sources[6], images.sources[5])


def _repaired(images: ImageSet) -> None:
    shutil.copy(images.sources[6], images.sources[0])


@pytest.mark.parametrize("change", [_touched, _another_picture, _repaired])
def test_a_file_that_changed_is_decoded_anew(spoilt: ImageSet, shelf: Path, change):
    decode_all(spoilt, FORM, use_cache=True)
    change(spoilt)
    assert not _known(spoilt)
    assert _known(spoilt)


def test_another_form_or_choice_of_images_is_decoded_anew(spoilt: ImageSet, shelf: Path):
    decode_all(spoilt, FORM, use_cache=True)
    assert not _known(spoilt, Preprocessing(16, 20, 3, fit="crop"))
    assert not _known(spoilt, Preprocessing(16, 20, 1))
    assert not _known(spoilt.subset(np.arange(len(spoilt))[::-1]))
    assert not _known(spoilt.subset(np.arange(9)))


def test_an_image_that_is_gone_is_told_as_ever(spoilt: ImageSet, shelf: Path):
    spoilt.sources[5].unlink()
    assert "no such file" in decode_all(spoilt, FORM, use_cache=True).decode_errors[str(spoilt.keys[5])]
    assert not shelf.exists()


def test_bytes_in_a_table_are_kept_by_what_they_are(spoilt: ImageSet, shelf: Path):
    def table(edit: bytes = b"") -> ImageSet:
        contents = [path.read_bytes() for path in spoilt.sources[20:40]]
        contents[3] += edit
        ends = np.cumsum([0, *map(len, contents)])
        places = np.stack([0 * ends[:-1], ends[:-1], np.diff(ends)], axis=1)
        return replace(
            spoilt.subset(np.arange(20, 40)), sources=EncodedImages([memoryview(b"".join(contents))], places)
        )

    assert not _known(table())
    assert _known(table())
    assert not _known(table(b"\0"))


def test_pixels_in_memory_and_what_is_quickly_decoded_are_not_kept(spoilt: ImageSet, shelf: Path, monkeypatch):
    pixels = np.zeros((5, 4, 4, 3), np.uint8)
    decode_all(from_arrays(pixels, [0, 1, 0, 1, 0]), FORM, use_cache=True)
    monkeypatch.setattr(decoded_cache, "MIN_CACHE_SECONDS", 1e9)
    decode_all(spoilt, FORM, use_cache=True)
    monkeypatch.setattr(decoded_cache, "MIN_CACHE_SECONDS", 0.0)
    decode_all(spoilt, FORM)
    assert not shelf.exists()


def test_pixels_that_find_no_room_are_an_error_that_says_how_much_is_needed(photos: Path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("striate.data.decoded_cache.os.posix_fallocate", full)
    with pytest.raises(DataError, match=r"no room for the decoded images: no space left .*GiB\. Try: .*TMPDIR"):
        decode_all(load_folder(photos), FORM, memory_limit=0)


@pytest.mark.parametrize("is_set", [True, False])
def test_pixels_beyond_the_memory_lie_in_the_cache_folder_unless_another_is_named(
    photos: Path, tmp_path: Path, monkeypatch, is_set: bool
):
    seen = []
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.delenv("TMPDIR", raising=False)
    if is_set:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = tempfile.TemporaryFile
    monkeypatch.setattr(
        "striate.data.decoded_cache.tempfile.TemporaryFile",
        lambda **options: seen.append(options["dir"]) or made(**options),
    )
    decode_all(load_folder(photos), FORM, memory_limit=0)
    assert seen == [None if is_set else tmp_path / "striate" / "decoded"]
