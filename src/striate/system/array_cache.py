"""Arrays that are slow to make and can be made again, kept in the user's cache folder from one run to the next."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.system.atomic_files import compute_sha256, write_atomically, write_text


@dataclass(frozen=True)
class ArrayCache:
    """A folder of arrays, each under a key that is made of all that it depends on: `KEY.npy`, and `KEY.json` with its
    checksum and what else was said about it, written last.

    Attributes:
        name: of the folder, in the user's cache folder.
        max_bytes: bytes on the shelf; what was not used for longest leaves first.
    """

    name: str
    max_bytes: int

    @property
    def folder(self) -> Path:
        """Where it is."""
        return platformdirs.user_cache_path("striate") / self.name

    def get(self, key: str, *, use_mmap: bool = False) -> tuple[NDArray[Any], dict[str, Any]] | None:
        """Returns the array of that key and what was said about it, or None: not there, or not whole.

        Args:
            key: see `Shelf`.
            use_mmap: leave the array on the disk, to be read where it is looked at.
        """
        path = self._get_array_path(key)
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if about.pop("sha256") != compute_sha256(path):
                return None
            found: NDArray[Any] = np.load(path, mmap_mode="r" if use_mmap else None, allow_pickle=False)
            os.utime(path)  # used now
        except Exception:  # foreign bytes: JSON's and NumPy's parsers raise whatever they do
            return None
        return found, about

    def put(self, key: str, array: NDArray[Any], metadata: dict[str, Any] | None = None) -> None:
        """Puts an array there, unless it is larger than the shelf or than half of what is free on the disk; a folder
        that cannot be written to costs nothing but time.
        """
        path = self._get_array_path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if array.nbytes > min(self.max_bytes, shutil.disk_usage(path.parent).free // 2):
                return
            path.with_suffix(".json").unlink(missing_ok=True)
            with write_atomically(path) as temporary, temporary.open("wb") as out:
                np.save(out, array)
            write_text(
                path.with_suffix(".json"), json.dumps({**(metadata or {}), "sha256": compute_sha256(path)}) + "\n"
            )
            self._remove_oldest()

    def _get_array_path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _remove_oldest(self) -> None:
        files = sorted(self.folder.glob("*.npy"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > self.max_bytes:
                file.with_suffix(".json").unlink(missing_ok=True)
                file.unlink(missing_ok=True)
