"""What is remarked about a data set, and what is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.images.check import Finding, check, unreadable
from striate.images.imageset import ImageSet
from striate.images.jpeg import quality
from striate.images.sources.arrays import from_arrays
from striate.images.sources.folder import load_folder
from striate.images.sources.load import load_images


def images_of(**sizes: int):
    labels = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    return from_arrays(np.zeros((len(labels), 2, 2), np.uint8), labels, classes=list(sizes))


def found(findings: list[Finding]) -> dict[str, Finding]:
    assert len({finding.kind for finding in findings}) == len(findings)
    return {finding.kind: finding for finding in findings}


def test_a_balanced_set_of_readable_pictures_gets_no_remark(photos: Path):
    images = load_folder(photos)
    assert check(images, unreadable(images)) == []


def test_broken_files_are_counted_and_listed_with_their_reasons(photos: Path, tmp_path: Path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "across" / "x.jpg").touch()
    (root / "upright" / "y.jpg").write_bytes(b"<html>")
    images = load_folder(root)
    finding = found(check(images, unreadable(images)))["broken"]
    assert (finding.severity, finding.count) == ("warning", 2)
    assert "2 of 92 files cannot be read" in finding.message
    assert finding.files == (
        "across/x.jpg: empty file (0 bytes)",
        "upright/y.jpg: a web page saved under a picture's name",
    )


def test_arrays_are_never_unreadable():
    assert unreadable(images_of(a=3, b=3)) == {}


@pytest.mark.parametrize(("size", "remarked"), [(19, True), (20, False)])
def test_classes_below_twenty_pictures_are_named(size: int, remarked: bool):
    findings = found(check(images_of(large=30, small=size)))
    assert ("tiny_class" in findings) is remarked
    if remarked:
        assert "1 of 2 classes have fewer than 20 pictures: small (19)" in findings["tiny_class"].message


@pytest.mark.parametrize(("large", "remarked"), [(200, False), (201, True)])
def test_more_than_ten_to_one_is_an_imbalance(large: int, remarked: bool):
    findings = found(check(images_of(cat=large, dog=20)))
    assert ("imbalance" in findings) is remarked
    if remarked:
        assert findings["imbalance"].message == "cat has 201 pictures, dog only 20"


def test_a_class_without_a_picture_is_remarked_on_and_divides_nothing_by_zero():
    images = replace(images_of(a=30, b=30), classes=("a", "b", "empty"))
    findings = found(check(images))
    assert "empty (0)" in findings["tiny_class"].message
    assert "empty only 0" in findings["imbalance"].message


def test_names_that_differ_only_in_case_blanks_or_unicode_form_are_remarked_on_together():
    names = ["Cat", "cat", "cat ", "Caf\u00e9", "cafe\u0301", "dog"]
    images = replace(images_of(**{f"c{number}": 20 for number in range(6)}), classes=tuple(names))
    findings = check(images)
    assert [finding.kind for finding in findings] == ["case_clash", "case_clash"]
    assert [finding.count for finding in findings] == [3, 2]
    assert "'Cat', 'cat', 'cat '" in findings[0].message


def test_ignored_files_are_a_note(photos: Path, tmp_path: Path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "across" / "labels.txt").touch()
    finding = found(check(load_folder(root)))["ignored"]
    assert (finding.severity, finding.count, finding.files) == ("note", 1, ("across/labels.txt",))


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
        assert quality(image) == number
    Image.new(mode, (9, 9)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert quality(image) is None


def test_small_jpeg_copies_are_called_lossy_before_anyone_compares(tmp_path: Path):
    images = small_pictures(tmp_path, "jpg", [28] * 60, quality=75)
    (tmp_path / "a" / "broken.jpg").write_bytes(b"<html>")
    finding = found(check(load_folder(tmp_path)))["lossy"]
    assert finding.severity == "warning"
    assert "32×28 JPEG copies of quality about 75: accuracies on them are not comparable" in finding.message
    assert found(check(images))["lossy"].count == 60


@pytest.mark.parametrize(
    ("kind", "sides"),
    [("png", [28] * 60), ("jpg", [65] * 60), ("jpg", [400] * 40), ("jpg", [28, 30] * 30)],
    ids=["PNG", "larger", "photographs", "sizes that differ"],
)
def test_other_pictures_are_not_called_lossy(tmp_path: Path, kind: str, sides: list[int]):
    assert check(small_pictures(tmp_path, kind, sides)) == []


def test_real_photographs_are_not_called_lossy_and_cifar10_in_jpeg_is(test_data: Path):
    assert "lossy" not in found(check(load_images(test_data / "cats_dogs")))
    assert "quality about 75" in found(check(load_images(test_data / "cifar10_jpeg")))["lossy"].message
