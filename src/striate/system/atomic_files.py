"""Files that are whole or absent: written beside their name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from striate.config import to_json
from striate.errors import RunError

PARTIAL_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""The names of files that are being written."""


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; what is written there takes its place only if all went well.

    The file is fsynced before the rename and the folder after it, so a power cut leaves the old file or the
    new one, never a mixture. On an exception the temporary file is removed and `path` is untouched.
    """
    import secrets

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_partial_files(folder: Path) -> list[Path]:
    """Removes what `writing` left behind in a folder and those below when the power failed, and returns it.

    To be called by the only process at work in the folder.
    """
    found = [path for path in folder.rglob(".*.tmp") if PARTIAL_NAME.fullmatch(path.name) and path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return found


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table as UTF-8 CSV, whole or not at all."""
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)


def write_json(path: Path, value: Any) -> None:
    """Writes a config, dict or list as JSON, whole or not at all."""
    write_text(path, to_json(value))


def refuse_newer_format(path: Path, max_format: int, description: str) -> None:
    """Raises RunError when a JSON document says that its format is newer than the one known; all else is for its reader
    to find.
    """
    try:
        number = json.loads(path.read_bytes())["format"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return
    if isinstance(number, int) and number > max_format:
        raise RunError(
            f"This {description} was made by a newer Striate",
            received=f"{path}: format {number}",
            expected=f"format {max_format} or older",
            hint="pip install --upgrade striate",
        )


def read_json(path: Path, description: str) -> dict[str, Any]:
    """Returns the JSON object in `path`.

    Raises:
        RunError: the file is missing or is not one JSON object; `description` names it in the message.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{description} is missing", received=path) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{description} cannot be read: {error}", received=path) from None
    if not isinstance(value, dict):
        raise RunError(f"{description} is damaged", received=path, expected="a JSON object")
    return value


def compute_sha256(path: Path) -> str:
    """Returns the file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder for flushing
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
