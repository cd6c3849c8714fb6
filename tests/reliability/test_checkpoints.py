"""Checkpoints on a disk that fails: at every step of a save the old one or the new one is whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from striate.errors import RunError
from striate.training.checkpoint_store import FILE_NAME_PATTERN, MAX_CHECKPOINTS, Checkpoint, CheckpointStore

pytestmark = pytest.mark.fast


def _state(number: int) -> Checkpoint:
    rng = np.random.default_rng(number)
    arrays = {"a": rng.random((40, 30), np.float32), "b": np.array(number), "c": rng.random((5, 2)).T}
    return Checkpoint({"number": number, "inf": float("inf")}, arrays)


def _is_whole(found: Checkpoint, number: int) -> bool:
    expected = _state(number)
    return found.metadata["number"] == number and all(
        np.array_equal(found.arrays[name], array) and found.arrays[name].shape == array.shape
        for name, array in expected.arrays.items()
    )


def test_the_newest_comes_back_as_it_was_and_two_stay(tmp_path: Path):
    shelf = CheckpointStore(tmp_path / "deep" / "er")
    assert shelf.load_latest() == (None, ())
    for number in range(5):
        shelf.save(_state(number))
        found = shelf.load_latest().checkpoint
        assert found is not None and _is_whole(found, number)
    assert len(list(shelf.folder.iterdir())) == MAX_CHECKPOINTS
    shelf.clear()
    assert not shelf.folder.exists()


class _Faulty:
    """Counts what a save asks of the disk, and fails at one of it, as a full disk or a power cut would."""

    OPERATIONS = ("write_bytes", "open", "replace", "mkdir", "unlink", "iterdir", "fsync", "os.open")

    def __init__(self, patch: pytest.MonkeyPatch, error: BaseException) -> None:
        self.left, self.done, self.error, self.is_over = -1, [], error, False
        for name in self.OPERATIONS[:6]:
            patch.setattr(Path, name, self._failing(name, getattr(Path, name)))
        patch.setattr(os, "fsync", self._failing("fsync", os.fsync))

    def _failing(self, name, real):
        def call(*args, **options):
            if self.is_over:
                return real(*args, **options)
            self.done.append(name)
            if len(self.done) == self.left:
                if name == "write_bytes":  # the disk takes a part
                    real(args[0], args[1][: len(args[1]) // 2])
                self.is_over = True  # a power cut fails once; what comes after it does not happen
                raise self.error
            return real(*args, **options)

        return call


class _PowerCut(BaseException):
    pass


ERRORS = [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error"), _PowerCut()]


@pytest.mark.parametrize("error", ERRORS, ids=["full", "input/output", "power"])
def test_whatever_fails_in_a_save_the_old_or_the_new_one_is_whole(tmp_path: Path, error: BaseException):
    with pytest.MonkeyPatch.context() as patch:
        counter = _Faulty(patch, error)
        shelf = CheckpointStore(tmp_path / "count")
        for number in range(3):
            counter.done.clear()
            shelf.save(_state(number))
        operations = list(counter.done)
    assert {"write_bytes", "fsync", "replace", "unlink"} <= set(operations)
    outcomes = set()
    for fails_at in range(1, len(operations) + 1):
        shelf = CheckpointStore(tmp_path / f"at {fails_at}")
        for number in range(2):
            shelf.save(_state(number))
        with pytest.MonkeyPatch.context() as patch:
            faulty = _Faulty(patch, error)
            faulty.left = fails_at
            with pytest.raises(type(error)):
                shelf.save(_state(2))
            faulty.is_over = True
            found, damaged = CheckpointStore(shelf.folder).load_latest()
        assert found is not None and not damaged
        newest = found.metadata["number"]
        assert newest in (1, 2) and _is_whole(found, newest), operations[fails_at - 1]
        outcomes.add(newest)
        shelf.save(_state(3))  # and the disk that works again takes the next
        found = shelf.load_latest().checkpoint
        assert found is not None and _is_whole(found, 3)
    assert outcomes == {1, 2}


def test_a_checkpoint_that_was_changed_or_cut_is_left_out_for_the_one_before(tmp_path: Path):
    shelf = CheckpointStore(tmp_path)
    shelf.save(_state(0))
    shelf.save(_state(1))
    newest = max(path for path in tmp_path.iterdir() if FILE_NAME_PATTERN.fullmatch(path.name))
    whole = newest.read_bytes()
    rng = np.random.default_rng(0)
    for at in [0, 7, len(whole) - 1, *rng.integers(0, len(whole), 40)]:
        for content in (whole[:at] + bytes([whole[at] ^ 1 << int(rng.integers(8))]) + whole[at + 1 :], whole[:at]):
            newest.write_bytes(content)
            found, damaged = shelf.load_latest()
            assert damaged == (newest.name,)
            assert found is not None and _is_whole(found, 0)
    newest.write_bytes(whole)
    assert shelf.load_latest().damaged_files == ()


def test_a_checkpoint_of_a_newer_striate_is_refused_by_name(tmp_path: Path):
    shelf = CheckpointStore(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.training.checkpoint_store.CHECKPOINT_FORMAT", 2)
        shelf.save(_state(0))
    with pytest.raises(RunError, match=r"newer Striate\. Received: format 2"):
        shelf.load_latest()
