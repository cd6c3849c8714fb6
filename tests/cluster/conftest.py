"""What tests of clusters share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def workers() -> Callable[[str], list[int]]:
    """A function that returns the process numbers of workers of a title, of this process' own cluster."""

    def found(title: str) -> list[int]:
        return [pid for pid in _descendants(os.getpid()) if title in _said(f"/proc/{pid}/cmdline")]

    return found


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        if words := _said(path).rpartition(")")[2].split():
            children.setdefault(int(words[1]), []).append(int(path.parent.name))
    left = [root]
    while left:
        pid = left.pop()
        left += children.get(pid, [])
        yield pid


def _said(path: str | Path) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""
