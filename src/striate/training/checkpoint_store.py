"""Checkpoints: all that a training is at one moment, each in one file that is whole or absent.

A file bears its own SHA-256 in its name: one rename publishes it together with its checksum, and a byte that has
changed since, or a tail that was lost, is found before anything of it is used. The file before it stays until the new
one is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from striate.errors import RunError
from striate.system.atomic_files import compute_sha256, write_atomically

CHECKPOINT_FORMAT = 1
MAX_CHECKPOINTS = 2
"""Files that stay: the newest, and the one before it to fall back on."""

FILE_NAME_PATTERN = re.compile(r"(\d{6})-([0-9a-f]{64})\.safetensors")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training at one moment.

    Attributes:
        metadata: where it stands: numbers and lists that JSON can hold.
        arrays: name → the values of a variable.
    """

    metadata: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class LatestCheckpoint(NamedTuple):
    """The newest checkpoint that is whole, if there is one, and the names of newer ones that are damaged."""

    checkpoint: Checkpoint | None
    damaged_files: tuple[str, ...]


class CheckpointStore:
    """The checkpoints of one training.

    Args:
        folder: theirs; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, and removes those before the last.

        Raises:
            OSError: the disk is full or cannot be written to; the checkpoints that are there stay.
        """
        self.put_bytes(encode_checkpoint(checkpoint))

    def put_bytes(self, content: bytes) -> None:
        """Writes a checkpoint that is packed, and removes those before the last.

        Raises:
            OSError: see save.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self._list_files()
        number = 1 + (_parse_number(before[-1]) if before else 0)
        with write_atomically(
            self.folder / f"{number:06}-{hashlib.sha256(content).hexdigest()}.safetensors"
        ) as temporary:
            temporary.write_bytes(content)
        for old in before[: -(MAX_CHECKPOINTS - 1)]:
            old.unlink(missing_ok=True)

    def load_latest(self) -> LatestCheckpoint:
        """Returns the newest checkpoint that is whole.

        Raises:
            RunError: it was written by a newer Striate.
        """
        damaged = []
        for path in reversed(self._list_files()):
            found = _read_checkpoint(path)
            if found is None:
                damaged.append(path.name)
                continue
            if found.metadata.get("format") != CHECKPOINT_FORMAT:
                raise RunError(
                    "This checkpoint was written by a newer Striate",
                    received=f"format {found.metadata.get('format')}",
                    expected=f"format {CHECKPOINT_FORMAT}",
                    hint="pip install --upgrade striate",
                )
            return LatestCheckpoint(found, tuple(damaged))
        return LatestCheckpoint(None, tuple(damaged))

    def clear(self) -> None:
        """Removes the checkpoints, and what writing one left behind when the power failed."""
        if not self.folder.is_dir():
            return
        for path in (*self._list_files(), *self.folder.glob(".*.tmp")):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _list_files(self) -> list[Path]:
        """Returns the files, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            (path for path in self.folder.iterdir() if FILE_NAME_PATTERN.fullmatch(path.name)), key=_parse_number
        )


class RemoteCheckpointStore:
    """The checkpoints of a training whose folder another computer holds.

    Args:
        folder: theirs, for people.
        upload: takes a checkpoint there, packed; raises OSError where it cannot be written.
        latest_content: the newest that is whole, packed, when this process began.
    """

    def __init__(self, folder: Path, upload: Callable[[bytes], None], latest_content: bytes | None) -> None:
        self.folder, self.upload, self.latest_content = folder, upload, latest_content

    def save(self, checkpoint: Checkpoint) -> None:
        """See Checkpoints."""
        self.upload(encode_checkpoint(checkpoint))

    def load_latest(self) -> LatestCheckpoint:
        """See Checkpoints."""
        return LatestCheckpoint(None if self.latest_content is None else decode_checkpoint(self.latest_content), ())

    def clear(self) -> None:
        """Leaves them: whoever holds the folder clears it."""


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Returns a checkpoint as the content of a file."""
    arrays = {name: np.require(array, requirements="C") for name, array in checkpoint.arrays.items()}
    about = {"format": CHECKPOINT_FORMAT, **checkpoint.metadata}
    content: bytes = safetensors.numpy.save(arrays, {"striate": json.dumps(about, allow_nan=True)})
    return content


def decode_checkpoint(content: bytes) -> Checkpoint:
    """Returns what `packed` made into bytes."""
    length = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["striate"])
    return Checkpoint(about, safetensors.numpy.load(content))


def _parse_number(path: Path) -> int:
    return int(path.name[:6])


def _read_checkpoint(path: Path) -> Checkpoint | None:
    """Returns what a file holds; None if it is not what its name says."""
    try:
        if compute_sha256(path) != path.name[7:71]:
            return None
        with safetensors.safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["striate"])
            return Checkpoint(about, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
