"""diagram(): a network as a figure for a slide, one column for each size that its maps take on the way."""

from __future__ import annotations

from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

from striate.models.diagram.blocks import Repeat, blocks, members, repeats
from striate.models.diagram.branches import column
from striate.models.diagram.page import MEANING, Page, Stage
from striate.models.diagram.pieces import pieces
from striate.reporting.style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def diagram(model: Any, title: str = "") -> Figure:
    """Returns a figure as large as the network needs: each column holds the layers whose maps have the size drawn
    above it; a block that repeats is drawn once, with its count.

    Args:
        model: a functional or Sequential keras.Model; its weights need no values (see architecture.outline).
        title: stands above, on one line.

    Raises:
        ConfigError: the model has no graph of layers.
    """
    import matplotlib as mpl

    layers, notes = pieces(model)
    chain = blocks(layers)
    kinds = {piece.kind for item in chain for piece in members(item)}
    foot = [
        f"{sum(prod(weight.shape) for weight in model.trainable_weights):,} weights",
        *(f"with {note}" if not at else note for at, note in enumerate(notes)),
    ]
    with mpl.rc_context(STYLE):
        stages = [_stage(list(run)) for _, run in groupby(repeats(chain), key=_side)]
        pages = (Page(stages, limit / 2, stacked=stacked) for stacked in (False, True) for limit in range(4, 41))
        best = min(pages, key=lambda page: page.order)
        return best.drawn(title, [kind for kind in MEANING if kind in kinds], foot)


def _stage(run: list[Repeat]) -> Stage:
    given = [repeat.output.shape[-1] for repeat in run if repeat.output.shape]
    return Stage(_side(run[0])[1], tuple(count for count, _ in groupby(given)), tuple(column(run)))


def _side(repeat: Repeat) -> tuple[bool, tuple[int | None, ...]]:
    """Returns whether it is an input, which has a stage of its own, and the maps' height and width."""
    sides = repeat.output.shape[:-1]
    return repeat.output.kind == "input", () if all(side == 1 for side in sides) else sides
