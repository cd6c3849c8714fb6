"""How many threads TensorFlow computes one operation with."""

from __future__ import annotations

import os
from math import prod

from striate.environment import require_backend
from striate.models.architectures import ARCHITECTURES, DEFAULT
from striate.models.cost import figures
from striate.process import is_claimed
from striate.training.recipe import Recipe

VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""What TensorFlow reads when it starts."""

SMALL = 50_000_000
"""Multiply-adds of one batch, forward, up to which one thread takes no longer than two, and less processor time."""


def limit_threads(recipe: Recipe) -> None:
    """Has TensorFlow compute with one thread where the planned training is so small that several would mostly wait for
    each other. TensorFlow reads the number once, when it starts: nothing is changed in a process that may do other work
    afterwards, nor where the user has set a number.

    Args:
        recipe: planned.
    """
    if not is_claimed() or require_backend().name != "tensorflow" or any(name in os.environ for name in VARIABLES):
        return
    if (work := batch_work(recipe)) is not None and work <= SMALL:
        os.environ.update(dict.fromkeys(VARIABLES, "1"))


def batch_work(recipe: Recipe) -> float | None:
    """Returns about how many multiply-adds one batch takes, forward; None for an architecture of one's own.

    Args:
        recipe: planned.
    """
    name = recipe.architecture or DEFAULT
    if name not in ARCHITECTURES or recipe.height is None or recipe.width is None:
        return None
    growth = recipe.height * recipe.width / prod(ARCHITECTURES[name].native[:2])
    return float(figures()[name]["multiply_adds"] * growth * (recipe.batch or 1))
