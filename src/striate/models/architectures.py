"""The table of networks."""

from __future__ import annotations

from striate.errors import UnknownNameError
from striate.models.architecture import Architecture
from striate.models.cnn import CNN, CNN_SMALL
from striate.models.lenet import LENET
from striate.models.mlp import MLP

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in (MLP, LENET, CNN_SMALL, CNN)}
"""Name → architecture, in the order of their story."""

DEFAULT = CNN.name
"""The network trained when none is named: small enough for a laptop, and sees edges before it sees pixels."""


def architecture_named(name: str | Architecture) -> Architecture:
    """Returns the architecture of that name; a value is returned as it is.

    Raises:
        UnknownNameError: no such row; the nearest is suggested.
    """
    if isinstance(name, Architecture):
        return name
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]
