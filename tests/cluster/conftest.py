"""What tests of clusters share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def workers() -> Callable[[str], list[int]]:
    """A function that returns the process numbers of Ray's workers of a title."""

    def found(title: str) -> list[int]:
        numbers = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if title.encode() in path.read_bytes():
                    numbers.append(int(path.parent.name))
            except OSError:
                continue
        return numbers

    return found
