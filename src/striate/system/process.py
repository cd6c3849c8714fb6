"""Whether this process makes one training and then ends, so that it may be set up for that training alone."""

from __future__ import annotations

_is_claimed = False


def claim_process() -> None:
    """Notes that this process makes one training and then ends."""
    global _is_claimed  # noqa: PLW0603
    _is_claimed = True


def is_process_claimed() -> bool:
    """Returns whether this process makes one training and then ends."""
    return _is_claimed
