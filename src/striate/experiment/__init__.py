"""The whole flow: data → splits → training → report → run folder. Its names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.experiment.flow import train
    from striate.experiment.results import measure_again

_HOMES = {"measure_again": "striate.experiment.results", "train": "striate.experiment.flow"}

__all__ = ["measure_again", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(_HOMES[name]), name)
