"""The seal of a folder: SHA256SUMS, the checksum of every file in it, written last.

It has the form that `sha256sum --check SHA256SUMS` reads. Its own last line, a comment to that tool, is the checksum of
the lines above it, so that a change or a cut in the list itself is found too.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from striate.errors import RunError
from striate.system.atomic_files import PARTIAL_NAME, compute_sha256, write_text

CHECKSUM_FILE = "SHA256SUMS"
LINE_PATTERN = re.compile(r"([0-9a-f]{64})  (.+)")
MAX_LIST_BYTES = 32 << 20  # bytes; a longer list is not read


class DamagedFile(NamedTuple):
    """A file that is not what it was."""

    name: str
    state: Literal["changed", "missing"]


def write_checksums(folder: Path, names: Iterable[str] | None = None, *, exclude: frozenset[str] = frozenset()) -> None:
    """Writes the checksums of a folder's files.

    Args:
        folder: what is whole now.
        names: the files; by default all, those in folders below too.
        exclude: names, of files or of folders right in it, that are left out of all.
    """
    if names is None:
        names = (name for name in _iter_file_names(folder) if name.split("/")[0] not in exclude)
    _write_list(folder, {name: compute_sha256(folder / name) for name in names})


def has_checksums(folder: Path) -> bool:
    """Returns whether the folder has a seal."""
    return (folder / CHECKSUM_FILE).is_file()


def verify_file(folder: Path, name: str) -> Path:
    """Returns the path of a file of the folder that may be read: as it was when it was sealed, or never sealed. A file
    that is gone is for its reader to miss.

    Raises:
        RunError: it has changed since, or the seal itself has.
    """
    path = folder / name
    before = _read_list(folder).get(name) if has_checksums(folder) and path.is_file() else None
    if before is not None and compute_sha256(path) != before:
        raise RunError(
            f"{name} is damaged: its checksum is not the one in {CHECKSUM_FILE}",
            received=path,
            hint="another copy of the file",
        )
    return path


def find_damaged_files(folder: Path) -> list[DamagedFile]:
    """Returns every file of a sealed folder that has changed or gone.

    Raises:
        RunError: there is no seal, or it is damaged itself.
    """
    if not has_checksums(folder):
        raise RunError("This folder has no seal", received=folder, expected=CHECKSUM_FILE)
    found = []
    for name, before in _read_list(folder).items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            found.append(DamagedFile(name, "missing"))
        elif compute_sha256(path) != before:
            found.append(DamagedFile(name, "changed"))
    return found


@contextlib.contextmanager
def rewrite_files(folder: Path, *names: str) -> Iterator[None]:
    """Lets files of a folder, sealed or not, be written anew in the block.

    They leave the seal before and enter it after, so that at no moment a file that is whole looks damaged.
    """
    sealed = has_checksums(folder)
    if sealed:
        _write_list(folder, {name: one for name, one in _read_list(folder).items() if name not in names})
    yield
    if sealed:
        there = {name: compute_sha256(folder / name) for name in names if (folder / name).is_file()}
        _write_list(folder, {**_read_list(folder), **there})


def _iter_file_names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        is_own = path.name in (CHECKSUM_FILE, f"{CHECKSUM_FILE}.sig") or PARTIAL_NAME.fullmatch(path.name)
        if path.is_file() and not path.is_symlink() and not is_own:
            yield path.relative_to(folder).as_posix()


def _write_list(folder: Path, sums: dict[str, str]) -> None:
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    write_text(folder / CHECKSUM_FILE, f"{lines}#{hashlib.sha256(lines.encode()).hexdigest()}\n")


def _read_list(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUM_FILE
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise ValueError("too long")
        text = path.read_bytes().decode("utf-8")
        lines, mark, own = text.rpartition("#")
        found = [LINE_PATTERN.fullmatch(line) for line in lines.split("\n")[:-1]]
        if not mark or own != f"{hashlib.sha256(lines.encode()).hexdigest()}\n" or None in found:
            raise ValueError("it has changed since it was written")
    except (OSError, ValueError) as error:
        raise RunError(f"The list of checksums is damaged: {error}", received=path) from None
    sums = {one[2]: one[1] for one in found if one is not None}
    if any(name.startswith("/") or ".." in name.split("/") for name in sums):
        raise RunError("The list of checksums names files outside its folder", received=path)
    return sums
