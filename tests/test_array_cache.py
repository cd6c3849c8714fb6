"""What is kept comes back whole or not at all, and the shelf never outgrows its limit."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from striate.system import array_cache
from striate.system.array_cache import ArrayCache

pytestmark = pytest.mark.fast

ARRAY = np.arange(20, dtype=np.float32).reshape(5, 4)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = ArrayCache("things", max_bytes=10_000)
    assert found.folder.is_relative_to(tmp_path)
    return found


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_kept_is_found_with_what_was_said_about_it(shelf, mapped):
    assert shelf.find("key") is None
    shelf.keep("key", ARRAY, {"broken": {"3": "empty"}})
    found, about = shelf.find("key", mapped=mapped)
    np.testing.assert_array_equal(found, ARRAY)
    assert found.dtype == ARRAY.dtype
    assert isinstance(found, np.memmap) == mapped
    assert about == {"broken": {"3": "empty"}}
    assert shelf.find("another") is None


def test_a_key_can_be_kept_anew(shelf):
    shelf.keep("key", ARRAY)
    shelf.keep("key", ARRAY + 1)
    np.testing.assert_array_equal(shelf.find("key")[0], ARRAY + 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[:-4],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"PK\x03\x04" + content,
        lambda content: b"not an array",
    ],
)
def test_a_damaged_array_is_not_found(shelf, damage):
    shelf.keep("key", ARRAY)
    path = shelf.folder / "key.npy"
    path.write_bytes(damage(path.read_bytes()))
    assert shelf.find("key") is None
    shelf.keep("key", ARRAY)
    assert shelf.find("key") is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": 7}', "\xff"])
def test_without_its_checksum_nothing_is_believed(shelf, text):
    shelf.keep("key", ARRAY)
    (shelf.folder / "key.json").write_text(text)
    assert shelf.find("key") is None


def test_pickled_objects_are_not_opened_even_with_a_right_checksum(shelf, tmp_path):
    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sung",)

    shelf.keep("key", ARRAY)
    path = shelf.folder / "key.npy"
    np.save(path, np.array([Canary()], object), allow_pickle=True)
    path.with_suffix(".json").write_text(json.dumps({"sha256": array_cache.compute_sha256(path)}))
    assert shelf.find("key") is None
    assert not (tmp_path / "sung").exists()


def test_beyond_the_limit_the_longest_unused_leave(shelf):
    size = 128 + ARRAY.nbytes
    small = ArrayCache("things", max_bytes=3 * size)
    for number in range(4):
        small.put(str(number), ARRAY + number)
        os.utime(small.folder / f"{number}.npy", (1000 + number, 1000 + number))
        if number == 2:
            small.get("0")  # used again
    assert {path.name for path in small.folder.iterdir()} == {
        f"{key}.{ending}" for key in (0, 2, 3) for ending in ("npy", "json")
    }


def test_what_is_larger_than_the_shelf_or_the_disk_is_not_kept(shelf, monkeypatch):
    ArrayCache("things", max_bytes=ARRAY.nbytes - 1).put("key", ARRAY)
    assert shelf.find("key") is None
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * ARRAY.nbytes - 2))
    shelf.keep("key", ARRAY)
    assert shelf.find("key") is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    shelf = ArrayCache("things", max_bytes=10_000)
    shelf.put("key", ARRAY)
    assert shelf.get("key") is None


def test_a_full_disk_leaves_nothing_behind(shelf, monkeypatch):
    def full(out, array):
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    shelf.keep("key", ARRAY)
    assert list(shelf.folder.iterdir()) == []
