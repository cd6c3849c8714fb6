"""How chains and blocks are drawn: boxes below each other, and side by side where the model branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from striate.models.diagram.blocks import Block, ChainItem, IrregularBlock, RepeatGroup, get_output_node
from striate.models.diagram.boxes import (
    BOX_GAP,
    BOX_HEIGHT,
    JOINT_OFFSET,
    LINE_COLOR,
    Drawable,
    create_box,
    create_stack,
    draw_arrow,
    draw_line,
    draw_text,
    format_shape,
    measure_text_width,
)
from striate.models.diagram.pieces import LayerNode

if TYPE_CHECKING:
    from matplotlib.axes import Axes


BRANCH_GAP, FRAME_MARGIN = 0.16, 0.1
"""Inches: the gap between branches, and a frame's margin above and below."""

FRAME_COLOR = "#D5DAE1"
COUNT_POINTS = 12
"""Size of a block's count, points."""

MAX_DRAWN_REPEATS = 4
"""Equal layers in a row up to which each is drawn."""

MapSize = tuple[int | None, ...] | None
"""The maps' height and width; None where they are not known."""


def create_chain(items: Sequence[ChainItem], input_size: MapSize = None, output_size: MapSize = None) -> Drawable:
    """Returns items one below the other, the boxes equally wide; maps of a size that is neither that before nor that
    after the chain are told theirs.
    """
    width = compute_max_box_width(items)
    sides = [get_output_node(item).shape[:-1] for item in items]
    noted = [
        format_shape(side) if input_size and side not in (above, output_size) and len(side) > 1 else ""
        for above, side in zip([input_size, *sides], sides, strict=False)
    ]
    return create_stack(
        [create_box(item, width) if isinstance(item, LayerNode) else _create_block(item) for item in items],
        noted,
        LINE_COLOR,
    )


def compute_max_box_width(items: Sequence[ChainItem]) -> float:
    """Returns the width of the widest box among the items themselves, inches."""
    return max([create_box(item).right_width * 2 for item in items if isinstance(item, LayerNode)], default=0.0)


def create_column(groups: Sequence[RepeatGroup]) -> list[Drawable]:
    """Returns the drawings of runs that lie one below the other; layers outside of blocks are equally wide."""
    width = compute_max_box_width([repeat.items[0] for repeat in groups if _is_plain_layer(repeat)])
    return [create_repeat(repeat, width) for repeat in groups]


def _is_plain_layer(group: RepeatGroup) -> bool:
    return len(group.items) == 1 and isinstance(group.items[0], LayerNode) and group.count <= MAX_DRAWN_REPEATS


def create_repeat(group: RepeatGroup, box_width: float) -> Drawable:
    """Returns a run of equal items: layers one by one; blocks, and many layers, once, in a frame with their count."""
    from matplotlib.patches import FancyBboxPatch

    if isinstance(group.items[0], LayerNode) and _is_plain_layer(group):
        return create_stack(
            [create_box(group.items[0], box_width)] * group.count, [""] * (group.count - 1) + [", ".join(group.tags)]
        )
    inner = create_chain(_label_growth(group))
    count = f"× {group.count}" if group.count > 1 else ""
    left, right, tall = inner.left_width + BRANCH_GAP, inner.right_width + BRANCH_GAP, inner.height + 2 * FRAME_MARGIN

    def draw(axes: Axes, x: float, y: float) -> None:
        axes.add_patch(
            FancyBboxPatch(
                (x - left, y), left + right, tall, "round,pad=0,rounding_size=0.08",
                facecolor="#F6F7F9", edgecolor=FRAME_COLOR, lw=1, zorder=0,
            )
        )  # fmt: skip
        draw_line(axes, (x, y), (x, y + FRAME_MARGIN))
        draw_line(axes, (x, y + tall - FRAME_MARGIN - inner.tail_height), (x, y + tall))
        inner.draw(axes, x, y + FRAME_MARGIN)
        if count:
            draw_text(axes, x + right + 0.07, y + tall / 2, count, font_size=COUNT_POINTS, weight="bold")

    beside = measure_text_width(count, COUNT_POINTS, "bold") + 0.1 if count else 0.0
    return create_stack([Drawable(left, right + beside, tall, draw)], [", ".join(group.tags)])


def _label_growth(group: RepeatGroup) -> tuple[ChainItem, ...]:
    """Returns the items; where the concatenation in each grows, as in a dense block, it tells by how much."""
    item = group.items[-1]
    if group.count == 1 or not isinstance(item, Block) or item.merge is None or item.merge.label != "concat":
        return group.items
    first, final = item.merge.shape[-1], group.output.shape[-1]
    if first is None or final is None or first == final:
        return group.items
    merge = replace(item.merge, label=f"concat +{(final - first) // (group.count - 1)}")
    return (*group.items[:-1], replace(item, merge=merge))


def _create_block(block: Block | IrregularBlock) -> Drawable:
    merge = create_box(block.merge) if block.merge else None
    body = _create_irregular_block(block) if isinstance(block, IrregularBlock) else _create_branches(block)

    def draw(axes: Axes, x: float, y: float) -> None:
        body.draw(axes, x, y)
        if merge:
            merge.draw(axes, x, y + body.height)

    if not merge:
        return body
    return Drawable(
        max(body.left_width, merge.left_width),
        max(body.right_width, merge.right_width),
        body.height + merge.height,
        draw,
    )


def _create_branches(block: Block) -> Drawable:
    """Returns the branches between the line that splits and the one that joins; of two, the first goes straight on
    and the second around it, unless they are concatenated.
    """
    before = block.source.shape[:-1] if block.source else None
    parts = [create_chain(branch, before, get_output_node(block).shape[:-1]) for branch in block.branches]
    added = block.merge is not None and not block.merge.label.startswith("concat")
    around = len(parts) == 2 and (added or not block.branches[1])
    wide = sum(part.left_width + part.right_width for part in parts) + BRANCH_GAP * (len(parts) - 1)
    left = parts[0].left_width if around else wide / 2
    tall = max(part.height for part in parts) + 2 * BOX_GAP
    starts = [
        not (branch and isinstance(branch[0], LayerNode) and branch[0].kind == "input") for branch in block.branches
    ]

    def draw(axes: Axes, x: float, y: float) -> None:
        at, bottom = x - left, y + tall
        for part, begins in zip(parts, starts, strict=True):
            at += part.left_width
            if begins:
                draw_line(
                    axes,
                    (x, y),
                    (x, y + JOINT_OFFSET),
                    (at, y + JOINT_OFFSET),
                    (at, y + BOX_GAP - (0.03 if part.height else 0)),
                )
            if part.height and begins:
                draw_arrow(axes, at, y + BOX_GAP)
            part.draw(axes, at, y + BOX_GAP)
            draw_line(
                axes,
                (at, y + BOX_GAP + part.height - part.tail_height),
                (at, bottom - JOINT_OFFSET),
                (x, bottom - JOINT_OFFSET),
                (x, bottom),
            )
            at += part.right_width + BRANCH_GAP

    return Drawable(left, wide - left, tall, draw)


def _create_irregular_block(block: IrregularBlock) -> Drawable:
    """Returns the pieces in rows, each joined to those above that it takes by straight lines behind the boxes."""
    step = BOX_HEIGHT + 2 * BOX_GAP
    rows = [[(position, piece, create_box(piece)) for position, piece in rank] for rank in block.ranks]
    wide = max(sum(part.left_width + part.right_width + BRANCH_GAP for _, _, part in row) - BRANCH_GAP for row in rows)
    inside = {position for row in rows for position, _, _ in row}
    taken = {parent for row in rows for _, piece, _ in row for parent in piece.parents}
    joined = set(block.merge.parents) if block.merge else inside - taken

    def draw(axes: Axes, x: float, y: float) -> None:
        ends: dict[int, tuple[float, float]] = {}
        bottom = y + len(rows) * step + BOX_GAP
        for number, row in enumerate(rows):
            spare = (wide - sum(part.left_width + part.right_width for _, _, part in row)) / len(row)
            at, top = x - wide / 2 + spare / 2, y + BOX_GAP + number * step
            for position, piece, part in row:
                at += part.left_width
                outside = [] if set(piece.parents) <= inside else [(x, y)]
                for start in [*outside, *(ends[parent] for parent in piece.parents if parent in ends)]:
                    draw_line(axes, start, (at, top))
                part.draw(axes, at, top)
                ends[position] = (at, top + part.height)
                if position in joined:
                    draw_line(axes, ends[position], (x, bottom))
                at += part.right_width + spare

    return Drawable(wide / 2, wide / 2, len(rows) * step + BOX_GAP, draw)
