"""The list of corrections: written, read, edited by people, and applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.data.corrections import Correction, apply_corrections, load_corrections, save_corrections
from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.errors import DataError

pytestmark = pytest.mark.fast


@pytest.fixture
def images() -> ImageSet:
    return from_arrays(
        np.arange(6, dtype=np.uint8).reshape(6, 1, 1), np.array([0, 0, 0, 1, 1, 1]), classes=["cat", "dog"]
    )


def test_what_is_written_is_read_again_sorted(tmp_path: Path):
    rows = [
        Correction("b, with a comma", "relabel", "dog", "cat", 'a "reason"'),
        Correction("a\nline", "exclude", "", "cat", "broken: 0 bytes"),
        Correction("ü 🐱", "keep"),
    ]
    save_corrections(rows, tmp_path / "c.csv")
    assert load_corrections(tmp_path / "c.csv") == sorted(rows)


def test_images_leave_or_change_their_label_and_the_rest_stays(images: ImageSet):
    keys = images.keys.tolist()
    rows = [Correction(keys[0], "exclude"), Correction(keys[1], "relabel", "dog"), Correction(keys[2], "keep", "dog")]
    after = apply_corrections(images, rows)
    assert after.keys.tolist() == keys[1:]
    assert after.labels.tolist() == [1, 0, 1, 1, 1]
    assert np.asarray(after.sources).ravel().tolist() == [1, 2, 3, 4, 5]
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert after.compute_fingerprint() != images.compute_fingerprint()


def test_only_key_and_action_are_needed_and_a_spreadsheets_byte_order_mark_is_no_harm(tmp_path: Path):
    path = tmp_path / "c.csv"
    path.write_text("\ufeffkey,action\na, exclude \n", encoding="utf-8")
    assert load_corrections(path) == [Correction("a", "exclude")]


def test_what_is_gone_already_is_left_out_already(images: ImageSet):
    assert len(apply_corrections(images, [Correction("gone", "exclude")])) == 6


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Correction("gone", "relabel", "dog"), "An image to relabel is not in"),
        (Correction("KEY", "relabel", "dgo"), "a label that .* does not have.* Try: dog"),
    ],
)
def test_a_label_that_cannot_be_given_is_told(images: ImageSet, row: Correction, message: str):
    row = row._replace(key=str(images.keys[0]) if row.key == "KEY" else row.key)
    with pytest.raises(DataError, match=message):
        apply_corrections(images, [row])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no list of corrections"),
        ("path,label\na,b\n", "is no list of corrections"),
        ("key,action\na,delete\n", "row 2: unknown action.*delete"),
        ("key,action,label\na,relabel,\n", "row 2: the new label is missing"),
        ("key,action\na,keep\na,exclude\n", "more than once"),
        ('key,action\n"a,keep\n', "cannot be read"),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_reason(tmp_path: Path, text: str, message: str):
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_corrections(path)


def test_a_table_that_is_not_text_or_not_there_is_refused(tmp_path: Path):
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00key")
    for name in ("c.csv", "missing.csv"):
        with pytest.raises(DataError, match="cannot be read"):
            load_corrections(tmp_path / name)
