"""Fetch a public file once: progress, resume, checksum, mirrors, and a message that helps when offline."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from striate.errors import DownloadError
from striate.progress import NO_PROGRESS, Progress

BLOCK_BYTES = 1 << 18  # bytes read at a time
MAX_ATTEMPTS = 3  # per mirror; each goes on where the last one stopped
TIMEOUT_SECONDS = 20.0  # seconds without a byte
LOCAL_ERROR_CODES = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
)  # failures of the folder, not the network


@dataclass(frozen=True)
class RemoteFile:
    """A file that never changes.

    Attributes:
        name: its file name on disk.
        size: bytes; None when its publisher does not say (then the server's word is taken).
        checksum: MD5 (32 hexadecimal digits) or SHA-256 (64), as its publisher states it; None when it does not.
        mirrors: folder addresses to try in turn, each ending in a slash.
    """

    name: str
    size: int | None
    checksum: str | None
    mirrors: tuple[str, ...]


def download_file(
    file: RemoteFile,
    folder: Path,
    *,
    progress: Progress = NO_PROGRESS,
    retry_delay: float = 1.0,
    folder_hint: str = "--data-dir DIR or STRIATE_DATA_DIR=DIR",
    alternative_hint: str | None = None,
) -> Path:
    """Returns the path of `file` in `folder`, whole and with the right checksum, downloading it if need be.

    Args:
        file: what to fetch.
        folder: where it lies or is put; made if missing.
        progress: told the bytes received.
        retry_delay: seconds before the second attempt at a mirror, doubled before each further one.
        folder_hint: how users choose another folder.
        alternative_hint: what users can do without the file.

    Raises:
        DownloadError: a file of that name is there with other content, or no mirror gave the right bytes.
    """
    path = folder / file.name
    if os.path.isfile(path):  # noqa: PTH113  (unlike Path.is_file, it takes a folder that may not be entered)
        if _is_checksum_valid(path, file):
            return path
        raise DownloadError(
            f"{path} is not the published file (its checksum differs)",
            received=f"{_compute_checksum(path, file)}, {path.stat().st_size:,} bytes",
            expected=f"{file.checksum}" + (f", {file.size:,} bytes" if file.size else ""),
            hint="delete it and run again; it will be downloaded anew",
        )
    partial = path.with_name(path.name + ".part")
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in file.mirrors:
            for attempt in range(MAX_ATTEMPTS):
                alone = not partial.exists()
                try:
                    _download_remainder(mirror + file.name, partial, file, progress)
                except (OSError, http.client.HTTPException) as error:
                    if getattr(error, "errno", None) in LOCAL_ERROR_CODES:
                        raise
                    reasons.append(f"{mirror.split('/')[2]}: {getattr(error, 'reason', None) or error}")
                    if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                        break  # the mirror answered and said no
                    if attempt + 1 < MAX_ATTEMPTS:
                        time.sleep(retry_delay * 2**attempt)
                    continue
                if _is_checksum_valid(partial, file):
                    partial.replace(path)
                    return path
                reasons.append(f"{mirror.split('/')[2]}: wrong checksum")
                partial.unlink()
                if alone:
                    break  # every byte was this mirror's; otherwise an earlier attempt may have left the wrong ones
    except OSError as error:
        raise DownloadError(
            f"{file.name} is not in {folder}, and cannot be put there",
            received=error.strerror,
            hint=f"another folder: {folder_hint}",
        ) from None
    raise DownloadError(
        f"{file.name} could not be downloaded",
        received="; ".join(dict.fromkeys(reasons)),
        hint=f"fetch {file.mirrors[0]}{file.name}{_describe_file(file)} on a machine with a network "
        f"and put it into {folder}" + (f", or {alternative_hint}" if alternative_hint else ""),
    )


def _download_remainder(url: str, partial: Path, file: RemoteFile, progress: Progress) -> None:
    """Appends what is missing of `file` to `partial`."""
    have = partial.stat().st_size if partial.exists() else 0
    if file.size is not None and have >= file.size:
        partial.unlink(missing_ok=True)
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "striate"})  # noqa: S310  (our own table)
    if have:
        request.add_header("Range", f"bytes={have}-")
    opener = urllib.request.build_opener()  # urlopen would keep the proxies of the first call of this process
    with contextlib.closing(opener.open(request, timeout=TIMEOUT_SECONDS)) as prediction:
        resumed = prediction.status == http.client.PARTIAL_CONTENT
        received = have if resumed else 0
        size = file.size or received + int(prediction.headers.get("Content-Length") or 0)
        if size == received:
            raise ConnectionError("the server does not say how long the file is")
        with (
            partial.open("ab" if resumed else "wb") as out,
            progress.track(f"downloading {file.name}", size, "bytes") as task,
        ):
            task.advance(received)
            while block := prediction.read(BLOCK_BYTES):
                received += len(block)
                if received > size:
                    raise OSError(f"more than the published {size:,} bytes")
                out.write(block)
                task.advance(len(block))
    if received < size:
        raise ConnectionError(f"the connection closed after {received:,} of {size:,} bytes")


def _is_checksum_valid(path: Path, file: RemoteFile) -> bool:
    return file.checksum is None or _compute_checksum(path, file) == file.checksum


def _compute_checksum(path: Path, file: RemoteFile) -> str:
    """Returns the file's checksum, of the kind that its publisher states."""
    kind = hashlib.sha256 if file.checksum and len(file.checksum) == 64 else hashlib.md5
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: kind(usedforsecurity=False)).hexdigest()


def _describe_file(file: RemoteFile) -> str:
    size = f"{file.size / 1e6:.1f} MB" if file.size else None
    kind = "SHA-256" if file.checksum and len(file.checksum) == 64 else "MD5"
    known = [fact for fact in (size, f"{kind} {file.checksum}" if file.checksum else None) if fact]
    return f" ({', '.join(known)})" if known else ""
