"""A run's folder belongs to one process at a time.

The operating system holds the lock (flock, through filelock) and lets go of it when the process ends, however it ends:
nothing that a killed process left has to be recognised as stale. The owner is written beside it, for people.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from striate.errors import RunError, RunLockedError
from striate.system.atomic_files import write_json

LOCK_FILE, OWNER_FILE = "run.lock", "owner.json"


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Holds the folder's lock around a block.

    Raises:
        RunLockedError: another process holds it; the message says which.
        RunError: there is no folder, or it cannot be locked.
    """
    from filelock import FileLock, Timeout

    if not folder.is_dir():  # which the library would make
        raise RunError("The run's folder cannot be locked: there is none", received=folder)
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunLockedError(
            "Another process is at work in this run",
            received=f"{folder}, held by {_describe_owner(folder)}",
            hint="wait for it to end, or stop it: what it has learned is kept",
        ) from None
    except OSError as error:
        raise RunError(f"The run's folder cannot be locked: {error.strerror or error}", received=folder) from None
    try:
        write_json(folder / OWNER_FILE, {"pid": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / OWNER_FILE).unlink(missing_ok=True)
        lock.release()


def _describe_owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
        return f"process {int(owner['pid'])} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has just begun"
