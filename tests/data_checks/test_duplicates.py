"""Copies within a split, in several splits, and under two labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder
from striate.data.loaders.load import load_images
from striate.data_checks import duplicates as module
from striate.data_checks.duplicates import (
    DuplicateGroups,
    build_duplicate_findings,
    find_duplicates,
    find_duplicates_fast,
    find_leaked_images,
)
from striate.data_checks.image_stats import scan_images

pytestmark = pytest.mark.fast


def by_kind(images, copies: DuplicateGroups):
    return {one.kind: one for one in build_duplicate_findings(images, copies)}


@pytest.fixture
def divided(scene, scenes):
    """Twenty scenes to train on and ten to measure on; two of those leak, one lies under two labels, one twice."""
    images = {f"train/{'ab'[n % 2]}/{n}.png": scene(n) for n in range(20)}
    images |= {f"test/{'ab'[n % 2]}/{n}.png": scene(n) for n in range(100, 110)}
    images["test/a/leak.jpg"] = scene(4).resize((64, 48))  # re-encoded and smaller
    images["test/b/mirrored leak.png"] = ImageOps.mirror(scene(7))
    images["train/b/again 2.png"] = scene(2)  # 2 is an a
    images["train/a/again 6.png"] = scene(6)
    return scenes(images)


def test_leaks_conflicts_and_duplicates_are_told_apart(divided):
    found = by_kind(divided, find_duplicates(scan_images(divided)))
    assert set(found) == {"leak", "conflict", "duplicate"}
    leak = found["leak"]
    assert (leak.severity, leak.group_count, leak.count) == ("error", 2, 4)
    assert set(leak.file_groups) == {
        ("test/a/leak.jpg", "train/a/4.png"),
        ("test/b/mirrored leak.png", "train/b/7.png"),
    }
    assert leak.evidence == {"identical": 0, "near": 1, "mirrored": 1}
    assert "train and test: 2" in leak.message and "--allow-leaks" in leak.fix
    conflict = found["conflict"]
    assert (conflict.severity, conflict.file_groups) == ("warning", (("train/a/2.png", "train/b/again 2.png"),))
    assert "a and b" in conflict.message
    assert set(found["duplicate"].file_groups) == {
        ("train/a/2.png", "train/b/again 2.png"),
        ("train/a/6.png", "train/a/again 6.png"),
    }


def test_images_of_the_test_split_with_a_copy_elsewhere_are_leaked(divided):
    is_leaked = find_leaked_images(divided, find_duplicates(scan_images(divided)))
    assert set(divided.keys[is_leaked]) == {"test/a/leak.jpg", "test/b/mirrored leak.png"}


def test_without_copies_nothing_is_said(photos: Path):
    images = load_folder(photos)
    copies = find_duplicates(scan_images(images))
    assert copies.list_groups() == [] and build_duplicate_findings(images, copies) == []


def test_three_copies_are_one_group_and_not_three_pairs(scene, scenes):
    pictures = {f"{'ab'[n % 2]}/{n}.png": scene(n) for n in range(12)}
    pictures |= {"a/second.png": scene(0), "a/third.jpg": scene(0)}
    images = scenes(pictures)
    (group,) = find_duplicates(scan_images(images)).list_groups()
    assert set(images.keys[group]) == {"a/0.png", "a/second.png", "a/third.jpg"}


def test_broken_files_that_are_equal_are_no_copies(scene, scenes):
    images = scenes({f"{'ab'[n % 2]}/{n}.png": scene(n) for n in range(6)})
    root = Path(images.sources[0]).parents[1]
    for name in ("a/x.jpg", "b/y.jpg", "a/empty.jpg", "b/empty.jpg"):
        (root / name).write_bytes(b"<html>error</html>" if "empty" not in name else b"")
    images = load_folder(root)
    assert find_duplicates(scan_images(images)).list_groups() == []


@pytest.mark.parametrize("near", [True, False])
def test_a_training_looks_for_changed_copies_among_few_files_and_for_equal_ones_among_many(
    divided, monkeypatch: pytest.MonkeyPatch, near: bool
):
    if not near:
        monkeypatch.setattr(module, "MAX_NEAR_IMAGES", len(divided) - 1)
    copies = find_duplicates_fast(divided)
    assert copies.is_near_searched is near
    expected = {"leak", "conflict", "duplicate"} if near else {"conflict", "duplicate"}
    assert set(by_kind(divided, copies)) == expected


def test_equal_broken_files_are_no_leak_where_only_bytes_are_compared(divided, monkeypatch: pytest.MonkeyPatch):
    root = Path(divided.sources[0]).parents[2]
    for name in ("train/a/x.jpg", "test/a/x.jpg"):
        (root / name).write_bytes(b"<html>error</html>")
    images = load_folder(root)
    monkeypatch.setattr(module, "MAX_NEAR_IMAGES", 0)
    assert "leak" not in by_kind(images, find_duplicates_fast(images))


def test_equal_arrays_are_found_without_looking_at_any(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 8, 8), np.uint8)
    test = rng.integers(0, 256, (20, 8, 8), np.uint8)
    test[3], pixels[9] = pixels[5], pixels[8]
    images = from_arrays(pixels, np.arange(40) % 2, test=(test, np.arange(20) % 2))
    monkeypatch.setattr(module, "find_duplicates", None)
    found = by_kind(images, find_duplicates_fast(images))
    assert found["leak"].file_groups == (("train/5", "test/3"),)
    assert found["leak"].evidence == {"identical": 1, "near": 0, "mirrored": 0}
    assert set(found["duplicate"].file_groups) == {("train/8", "train/9")}


@pytest.mark.heavy
def test_many_duplicates_are_a_warning_and_a_few_a_note(scene, scenes):
    pictures: dict[str, Image.Image] = {f"{'ab'[n % 2]}/{n}.png": scene(n) for n in range(200)}
    pictures["a/again.png"] = scene(0)
    assert by_kind(images := scenes(pictures), find_duplicates_fast(images))["duplicate"].severity == "note"
    more = {f"a/again {n}.png": scene(n) for n in (2, 4)}
    assert by_kind(images := scenes(pictures | more), find_duplicates_fast(images))["duplicate"].severity == "warning"


@pytest.mark.slow
def test_the_cats_and_dogs_have_seven_motifs_twice_and_two_of_them_leak(test_data: Path):
    images = load_images(test_data / "cats_dogs")
    copies = find_duplicates(scan_images(images))
    found = by_kind(images, copies)
    assert len(copies.list_groups()) == 7
    assert set(found["leak"].file_groups) == {
        ("test_set/cats/cat.4435.jpg", "training_set/cats/cat.3411.jpg"),
        ("test_set/cats/cat.4726.jpg", "training_set/cats/cat.2580.jpg"),
    }
    assert found["duplicate"].evidence == {"identical": 1, "near": 4, "mirrored": 0}
    assert "conflict" not in found
