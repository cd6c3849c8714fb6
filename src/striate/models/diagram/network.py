"""diagram(): a model as a figure for a slide, one column for each size that its maps take on the way."""

from __future__ import annotations

from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

from striate.models.diagram.blocks import RepeatGroup, group_nodes, group_repeats, list_nodes
from striate.models.diagram.branches import create_column
from striate.models.diagram.page import KIND_NAMES, DiagramLayout, Stage
from striate.models.diagram.pieces import extract_nodes
from striate.reporting.style import MATPLOTLIB_STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_model(model: Any, title: str = "") -> Figure:
    """Returns a figure as large as the model needs: each column holds the layers whose maps have the size drawn
    above it; a block that repeats is drawn once, with its count.

    Args:
        model: a functional or Sequential keras.Model; its weights need no values (see architecture.outline).
        title: stands above, on one line.

    Raises:
        ConfigError: the model has no graph of layers.
    """
    import matplotlib as mpl

    layers, notes = extract_nodes(model)
    chain = group_nodes(layers)
    kinds = {piece.kind for item in chain for piece in list_nodes(item)}
    foot = [
        f"{sum(prod(weight.shape) for weight in model.trainable_weights):,} weights",
        *(f"with {note}" if not at else note for at, note in enumerate(notes)),
    ]
    with mpl.rc_context(MATPLOTLIB_STYLE):
        stages = [_create_stage(list(run)) for _, run in groupby(group_repeats(chain), key=_compute_stage_key)]
        pages = (
            DiagramLayout(stages, limit / 2, is_stacked=stacked) for stacked in (False, True) for limit in range(4, 41)
        )
        best = min(pages, key=lambda page: page.sort_key)
        return best.draw_figure(title, [kind for kind in KIND_NAMES if kind in kinds], foot)


def _create_stage(groups: list[RepeatGroup]) -> Stage:
    given = [repeat.output.shape[-1] for repeat in groups if repeat.output.shape]
    return Stage(
        _compute_stage_key(groups[0])[1], tuple(count for count, _ in groupby(given)), tuple(create_column(groups))
    )


def _compute_stage_key(group: RepeatGroup) -> tuple[bool, tuple[int | None, ...]]:
    """Returns whether it is an input, which has a stage of its own, and the maps' height and width."""
    sides = group.output.shape[:-1]
    return group.output.kind == "input", () if all(side == 1 for side in sides) else sides
