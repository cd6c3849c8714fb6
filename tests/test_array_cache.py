"""What is kept comes back whole or not at all, and the cache never outgrows its limit."""

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
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = ArrayCache("things", max_bytes=10_000)
    assert found.folder.is_relative_to(tmp_path)
    return found


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_kept_is_found_with_what_was_said_about_it(cache, mapped):
    assert cache.get("key") is None
    cache.put("key", ARRAY, {"broken": {"3": "empty"}})
    found, about = cache.get("key", use_mmap=mapped)
    np.testing.assert_array_equal(found, ARRAY)
    assert found.dtype == ARRAY.dtype
    assert isinstance(found, np.memmap) == mapped
    assert about == {"broken": {"3": "empty"}}
    assert cache.get("another") is None


def test_a_key_can_be_kept_anew(cache):
    cache.put("key", ARRAY)
    cache.put("key", ARRAY + 1)
    np.testing.assert_array_equal(cache.get("key")[0], ARRAY + 1)


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
def test_a_damaged_array_is_not_found(cache, damage):
    cache.put("key", ARRAY)
    path = cache.folder / "key.npy"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("key") is None
    cache.put("key", ARRAY)
    assert cache.get("key") is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": 7}', "\xff"])
def test_without_its_checksum_nothing_is_believed(cache, text):
    cache.put("key", ARRAY)
    (cache.folder / "key.json").write_text(text)
    assert cache.get("key") is None


def test_pickled_objects_are_not_opened_even_with_a_right_checksum(cache, tmp_path):
    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sung",)

    cache.put("key", ARRAY)
    path = cache.folder / "key.npy"
    np.save(path, np.array([Canary()], object), allow_pickle=True)
    path.with_suffix(".json").write_text(json.dumps({"sha256": array_cache.compute_sha256(path)}))
    assert cache.get("key") is None
    assert not (tmp_path / "sung").exists()


def test_beyond_the_limit_the_longest_unused_leave(cache):
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


def test_what_is_larger_than_the_shelf_or_the_disk_is_not_kept(cache, monkeypatch):
    ArrayCache("things", max_bytes=ARRAY.nbytes - 1).put("key", ARRAY)
    assert cache.get("key") is None
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * ARRAY.nbytes - 2))
    cache.put("key", ARRAY)
    assert cache.get("key") is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cache = ArrayCache("things", max_bytes=10_000)
    cache.put("key", ARRAY)
    assert cache.get("key") is None


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def full(out, array):
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cache.put("key", ARRAY)
    assert list(cache.folder.iterdir()) == []
