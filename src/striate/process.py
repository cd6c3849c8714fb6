"""Whether this process belongs to one command, which may then set it up for that command alone."""

from __future__ import annotations

_is_claimed = False


def claim_process() -> None:
    """Notes that this process runs one command and then ends."""
    global _is_claimed  # noqa: PLW0603
    _is_claimed = True


def is_claimed() -> bool:
    """Returns whether this process runs one command and then ends."""
    return _is_claimed
