"""Archives of images, unpacked once into the user's cache folder. Nothing in an archive is trusted: what would land
elsewhere, is no plain file, or grows out of all proportion is refused before or while it is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from striate.errors import DataError
from striate.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    import tarfile
    import zipfile

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""How the names of archives end, in lower case."""

MAX_ARCHIVE_FILES = 2_000_000
MAX_EXPANSION_RATIO = 100  # times its own size that an archive may grow to; images hardly shrink when they are packed
BASE_BYTE_ALLOWANCE = 64 << 20  # bytes that any archive may hold
COPY_CHUNK_BYTES = 1 << 20  # bytes copied at a time
COMPLETE_MARKER = ".striate-whole"
"""The file that says that all was unpacked; hidden, so that it is no image."""


@dataclass(frozen=True)
class _Member:
    """One file in an archive: its name, its size as the archive states it, and how to read it."""

    name: str
    size: int
    open_stream: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Returns whether a file's name says that it is an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def strip_archive_suffix(path: Path) -> str:
    """Returns the archive's name without what says that it is one."""
    ending = next(end for end in sorted(ARCHIVE_SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(end))
    return path.name[: -len(ending)]


def unpack_archive(archive: Path, *, progress: Progress = NO_PROGRESS) -> Path:
    """Returns the folder that holds the archive's files; unpacks it unless that was done before. If all lies in a
    single folder, as most programs pack it, it is that one.

    Raises:
        DataError: damaged, encrypted or empty; a member that leaves the folder, is a link or a device; more files or
            bytes than MAX_ARCHIVE_FILES, RATIO and the disk allow.
    """
    import shutil
    import tempfile

    import platformdirs

    about = archive.stat()
    key = f"{archive.resolve()} {about.st_size} {about.st_mtime_ns}"
    folder = platformdirs.user_cache_path("striate") / "unpacked"
    place = folder / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    if not (place / COMPLETE_MARKER).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="striate-", dir=folder) as scratch:
            inner = Path(scratch) / "files"
            inner.mkdir()
            _extract_members(archive, about.st_size, inner, progress)
            (inner / COMPLETE_MARKER).touch()
            shutil.rmtree(place, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process was faster
                inner.rename(place)
    children = [child for child in place.iterdir() if not child.name.startswith((".", "__MACOSX"))]
    return children[0] if len(children) == 1 and children[0].is_dir() else place


def _get_damage_errors() -> tuple[type[Exception], ...]:
    """Returns what the readers of archives raise at bytes that are none."""
    import lzma
    import tarfile
    import zipfile
    import zlib

    archives = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
    return (*archives, EOFError, OSError, ValueError, RuntimeError)


def _extract_members(archive: Path, size: int, folder: Path, progress: Progress) -> None:
    import shutil

    limit = min(BASE_BYTE_ALLOWANCE + MAX_EXPANSION_RATIO * size, shutil.disk_usage(folder).free - (256 << 20))
    written = 0
    try:
        with progress.track("unpacking", size, "bytes") as task, _open_members(archive) as members:
            for number, member in enumerate(members):
                if number >= MAX_ARCHIVE_FILES:
                    raise _build_archive_error(
                        archive, "holds too many files", f"more than {MAX_ARCHIVE_FILES:,}", "several archives"
                    )
                target = folder / _resolve_member_path(archive, member.name)
                if written + member.size > limit:
                    raise _build_size_error(archive, limit)
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open_stream() as source, target.open("wb") as out:
                    while piece := source.read(COPY_CHUNK_BYTES):
                        written += len(piece)
                        if written > limit:  # the stated size was a lie
                            raise _build_size_error(archive, limit)
                        out.write(piece)
                task.advance(min(size, member.size))
    except _get_damage_errors() as error:
        raise _build_archive_error(archive, f"cannot be unpacked: {error}", None, "another copy of it") from None
    if not written:
        raise _build_archive_error(archive, "holds no file", None, None)


def _resolve_member_path(archive: Path, name: str) -> PurePosixPath:
    """Returns the member's path below the folder.

    Raises:
        DataError: it would leave it.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":"):
        raise _build_archive_error(
            archive, "holds a file that would land outside its folder", name, "an archive of relative paths"
        )
    return path


@contextlib.contextmanager
def _open_members(archive: Path) -> Iterator[Iterator[_Member]]:
    if archive.name.lower().endswith(".zip"):
        import zipfile

        with zipfile.ZipFile(archive) as packed:
            yield _iter_zip_members(archive, packed)
    else:
        import tarfile

        with tarfile.open(archive, "r:*") as rolled:
            yield _iter_tar_members(archive, rolled)


def _iter_zip_members(archive: Path, zip_file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in zip_file.infolist():
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _build_archive_error(
                archive, "holds what is no plain file", info.filename, "an archive without links"
            )
        if info.flag_bits & 1:
            raise _build_archive_error(
                archive, "is encrypted", info.filename, "unpack it yourself, and name the folder"
            )
        yield _Member(info.filename, info.file_size, partial(zip_file.open, info))


def _iter_tar_members(archive: Path, tar_file: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar_file:
        if info.isdir():
            continue
        if not info.isreg():
            raise _build_archive_error(
                archive, "holds what is no plain file", info.name, "an archive without links and devices"
            )
        yield _Member(info.name, info.size, partial(_open_tar_member, tar_file, info))


def _open_tar_member(tar_file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar_file.extractfile(info)
    assert file is not None  # noqa: S101  (it is a regular file)
    return file


def _build_size_error(archive: Path, limit: int) -> DataError:
    return _build_archive_error(
        archive,
        "holds more than is safe to unpack",
        f"more than {max(0, limit) / 2**20:,.0f} MiB ({MAX_EXPANSION_RATIO} times its own size, or what the disk has "
        "left)",
        "if you trust it, unpack it yourself, and name the folder",
    )


def _build_archive_error(archive: Path, problem: str, value: str | None, hint: str | None) -> DataError:
    return DataError(f"The archive {archive.name} {problem}", received=value, hint=hint)
