"""Files that are whole or absent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from striate.errors import RunError
from striate.system.atomic_files import compute_sha256, read_json, write_atomically, write_json, write_text

pytestmark = pytest.mark.fast


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_utf_8_with_unix_line_ends(tmp_path: Path):
    write_text(tmp_path / "a.txt", "猫\nü\n")
    assert (tmp_path / "a.txt").read_bytes() == "猫\nü\n".encode()


def test_a_failed_write_leaves_the_old_file_whole_and_no_temporary_file(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as temporary:
        temporary.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_interrupted_first_write_leaves_nothing(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), write_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_the_old_file_is_readable_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with write_atomically(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # a rename is atomic only within one file system
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path):
    path = tmp_path / "a.txt"
    with write_atomically(path) as one, write_atomically(path) as two:
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one"  # the outer one ends last
    assert names(tmp_path) == ["a.txt"]


def test_writing_nothing_is_an_error_and_not_an_empty_file(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), write_atomically(path):
        pass
    assert path.read_text() == "old"


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"loss": 0.5})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": float("inf")})
    assert read_json(path, "the run") == {"loss": 0.5}


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"a": 1}}'])
def test_what_is_not_one_json_object_is_a_run_error_that_names_it(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RunError, match=r"The run's manifest .*a\.json"):
        read_json(tmp_path / "a.json", "The run's manifest")


def test_json_that_is_not_utf_8_is_a_run_error(tmp_path: Path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(RunError, match="cannot be read"):
        read_json(tmp_path / "a.json", "The manifest")


def test_missing_json_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(RunError, match="The manifest is missing"):
        read_json(tmp_path / "a.json", "The manifest")


def test_a_folder_in_the_place_of_json_is_a_run_error(tmp_path: Path):
    with pytest.raises(RunError):
        read_json(tmp_path, "The manifest")


def test_sha256_is_that_of_the_whole_file(tmp_path: Path):
    data = bytes(range(256)) * 5000  # larger than any one read
    (tmp_path / "a").write_bytes(data)
    assert compute_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_json_files_are_readable_by_anything(tmp_path: Path):
    write_json(tmp_path / "a.json", {"name": "猫", "list": (1, 2)})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"name": "猫", "list": [1, 2]}
