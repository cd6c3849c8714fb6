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

FORMAT = 1
KEPT = 2
"""Files that stay: the newest, and the one before it to fall back on."""

NAME = re.compile(r"(\d{6})-([0-9a-f]{64})\.safetensors")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training at one moment.

    Attributes:
        about: where it stands: numbers and lists that JSON can hold.
        arrays: name → the values of a variable.
    """

    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class Found(NamedTuple):
    """The newest checkpoint that is whole, if there is one, and the names of newer ones that are damaged."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


class Checkpoints:
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
        self.put(packed(checkpoint))

    def put(self, content: bytes) -> None:
        """Writes a checkpoint that is packed, and removes those before the last.

        Raises:
            OSError: see save.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self._files()
        number = 1 + (_number(before[-1]) if before else 0)
        with write_atomically(
            self.folder / f"{number:06}-{hashlib.sha256(content).hexdigest()}.safetensors"
        ) as temporary:
            temporary.write_bytes(content)
        for old in before[: -(KEPT - 1)]:
            old.unlink(missing_ok=True)

    def newest(self) -> Found:
        """Returns the newest checkpoint that is whole.

        Raises:
            RunError: it was written by a newer Striate.
        """
        damaged = []
        for path in reversed(self._files()):
            found = _read(path)
            if found is None:
                damaged.append(path.name)
                continue
            if found.about.get("format") != FORMAT:
                raise RunError(
                    "This checkpoint was written by a newer Striate",
                    received=f"format {found.about.get('format')}",
                    expected=f"format {FORMAT}",
                    hint="pip install --upgrade striate",
                )
            return Found(found, tuple(damaged))
        return Found(None, tuple(damaged))

    def clear(self) -> None:
        """Removes the checkpoints, and what writing one left behind when the power failed."""
        if not self.folder.is_dir():
            return
        for path in (*self._files(), *self.folder.glob(".*.tmp")):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        """Returns the files, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if NAME.fullmatch(path.name)), key=_number)


class Elsewhere:
    """The checkpoints of a training whose folder another computer holds.

    Args:
        folder: theirs, for people.
        put: takes a checkpoint there, packed; raises OSError where it cannot be written.
        content: the newest that is whole, packed, when this process began.
    """

    def __init__(self, folder: Path, put: Callable[[bytes], None], content: bytes | None) -> None:
        self.folder, self.put, self.content = folder, put, content

    def save(self, checkpoint: Checkpoint) -> None:
        """See Checkpoints."""
        self.put(packed(checkpoint))

    def newest(self) -> Found:
        """See Checkpoints."""
        return Found(None if self.content is None else unpacked(self.content), ())

    def clear(self) -> None:
        """Leaves them: whoever holds the folder clears it."""


def packed(checkpoint: Checkpoint) -> bytes:
    """Returns a checkpoint as the content of a file."""
    arrays = {name: np.require(array, requirements="C") for name, array in checkpoint.arrays.items()}
    about = {"format": FORMAT, **checkpoint.about}
    content: bytes = safetensors.numpy.save(arrays, {"striate": json.dumps(about, allow_nan=True)})
    return content


def unpacked(content: bytes) -> Checkpoint:
    """Returns what `packed` made into bytes."""
    length = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["striate"])
    return Checkpoint(about, safetensors.numpy.load(content))


def _number(path: Path) -> int:
    return int(path.name[:6])


def _read(path: Path) -> Checkpoint | None:
    """Returns what a file holds; None if it is not what its name says."""
    try:
        if compute_sha256(path) != path.name[7:71]:
            return None
        with safetensors.safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["striate"])
            return Checkpoint(about, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
