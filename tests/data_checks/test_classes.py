"""What is remarked about classes, and what is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from striate.data.loaders.folder import load_folder
from striate.data_checks.class_checks import detect_class_problems, detect_split_problems
from striate.data_checks.finding import Finding

pytestmark = pytest.mark.fast


def found(findings: list[Finding]) -> dict[str, Finding]:
    assert len({finding.kind for finding in findings}) == len(findings)
    return {finding.kind: finding for finding in findings}


def test_a_balanced_set_gets_no_remark(photos: Path):
    assert detect_class_problems(load_folder(photos)) == detect_split_problems(load_folder(photos)) == []


@pytest.mark.parametrize(("size", "remarked"), [(19, True), (20, False)])
def test_classes_below_twenty_images_are_named(images_of, size: int, remarked: bool):
    findings = found(detect_class_problems(images_of(large=30, small=size)))
    assert ("tiny_class" in findings) is remarked
    if remarked:
        assert "1 of 2 classes have fewer than 20 images: small (19)" in findings["tiny_class"].message


@pytest.mark.parametrize(("large", "remarked"), [(200, False), (201, True)])
def test_more_than_ten_to_one_is_an_imbalance(images_of, large: int, remarked: bool):
    findings = found(detect_class_problems(images_of(cat=large, dog=20)))
    assert ("imbalance" in findings) is remarked
    if remarked:
        assert findings["imbalance"].message == "cat has 201 images, dog only 20"


def test_a_class_without_an_image_is_remarked_on_and_divides_nothing_by_zero(images_of):
    findings = found(detect_class_problems(replace(images_of(a=30, b=30), classes=("a", "b", "empty"))))
    assert "empty (0)" in findings["tiny_class"].message
    assert "empty only 0" in findings["imbalance"].message


def test_names_that_differ_only_in_case_blanks_or_unicode_form_are_remarked_on_together(images_of):
    names = ["Cat", "cat", "cat ", "Caf\u00e9", "cafe\u0301", "dog"]
    images = replace(images_of(**{f"c{number}": 20 for number in range(6)}), classes=tuple(names))
    findings = detect_class_problems(images)
    assert [finding.kind for finding in findings] == ["case_clash", "case_clash"]
    assert [finding.count for finding in findings] == [3, 2]


def test_what_cannot_be_divided_is_an_error(images_of):
    (finding,) = detect_split_problems(images_of(a=30, b=2))
    assert (finding.kind, finding.severity) == ("indivisible", "error")
    assert "too few images" in finding.message


def test_ignored_files_are_a_note(photos: Path, tmp_path: Path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "across" / "labels.txt").touch()
    finding = found(detect_class_problems(load_folder(root)))["ignored"]
    assert (finding.severity, finding.count, finding.files) == ("note", 1, ("across/labels.txt",))
