"""How chains and blocks are drawn: boxes below each other, and side by side where the network branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from striate.models.diagram.blocks import Block, Item, Repeat, Tangle, last
from striate.models.diagram.boxes import (
    BOX,
    GAP,
    JOINT,
    LINE,
    Sketch,
    arrow,
    box,
    line,
    sizes,
    stack,
    text_width,
    write,
)
from striate.models.diagram.pieces import Piece

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SIDE, INSET = 0.16, 0.1
"""Inches: the gap between branches, and a frame's margin above and below."""

FRAME = "#D5DAE1"
COUNT = 12
"""Size of a block's count, points."""

FEW = 4
"""Equal layers in a row up to which each is drawn."""

Side = tuple[int | None, ...] | None
"""The maps' height and width; None where they are not known."""


def chain(items: Sequence[Item], before: Side = None, after: Side = None) -> Sketch:
    """Returns items one below the other, the boxes equally wide; maps of a size that is neither that before nor that
    after the chain are told theirs.
    """
    width = widest(items)
    sides = [last(item).shape[:-1] for item in items]
    noted = [
        sizes(side) if before and side not in (above, after) and len(side) > 1 else ""
        for above, side in zip([before, *sides], sides, strict=False)
    ]
    return stack([box(item, width) if isinstance(item, Piece) else _block(item) for item in items], noted, LINE)


def widest(items: Sequence[Item]) -> float:
    """Returns the width of the widest box among the items themselves, inches."""
    return max([box(item).right * 2 for item in items if isinstance(item, Piece)], default=0.0)


def column(run: Sequence[Repeat]) -> list[Sketch]:
    """Returns the drawings of runs that lie one below the other; layers outside of blocks are equally wide."""
    width = widest([repeat.items[0] for repeat in run if _is_plain(repeat)])
    return [repeated(repeat, width) for repeat in run]


def _is_plain(repeat: Repeat) -> bool:
    return len(repeat.items) == 1 and isinstance(repeat.items[0], Piece) and repeat.count <= FEW


def repeated(repeat: Repeat, width: float) -> Sketch:
    """Returns a run of equal items: layers one by one; blocks, and many layers, once, in a frame with their count."""
    from matplotlib.patches import FancyBboxPatch

    if isinstance(repeat.items[0], Piece) and _is_plain(repeat):
        return stack([box(repeat.items[0], width)] * repeat.count, [""] * (repeat.count - 1) + [", ".join(repeat.tags)])
    inner = chain(_growing(repeat))
    count = f"× {repeat.count}" if repeat.count > 1 else ""
    left, right, tall = inner.left + SIDE, inner.right + SIDE, inner.height + 2 * INSET

    def paint(axes: Axes, x: float, y: float) -> None:
        axes.add_patch(
            FancyBboxPatch(
                (x - left, y), left + right, tall, "round,pad=0,rounding_size=0.08",
                facecolor="#F6F7F9", edgecolor=FRAME, lw=1, zorder=0,
            )
        )  # fmt: skip
        line(axes, (x, y), (x, y + INSET))
        line(axes, (x, y + tall - INSET - inner.tail), (x, y + tall))
        inner.paint(axes, x, y + INSET)
        if count:
            write(axes, x + right + 0.07, y + tall / 2, count, points=COUNT, weight="bold")

    beside = text_width(count, COUNT, "bold") + 0.1 if count else 0.0
    return stack([Sketch(left, right + beside, tall, paint)], [", ".join(repeat.tags)])


def _growing(repeat: Repeat) -> tuple[Item, ...]:
    """Returns the items; where the concatenation in each grows, as in a dense block, it tells by how much."""
    item = repeat.items[-1]
    if repeat.count == 1 or not isinstance(item, Block) or item.merge is None or item.merge.label != "concat":
        return repeat.items
    first, final = item.merge.shape[-1], repeat.output.shape[-1]
    if first is None or final is None or first == final:
        return repeat.items
    merge = replace(item.merge, label=f"concat +{(final - first) // (repeat.count - 1)}")
    return (*repeat.items[:-1], replace(item, merge=merge))


def _block(block: Block | Tangle) -> Sketch:
    merge = box(block.merge) if block.merge else None
    body = _tangle(block) if isinstance(block, Tangle) else _branches(block)

    def paint(axes: Axes, x: float, y: float) -> None:
        body.paint(axes, x, y)
        if merge:
            merge.paint(axes, x, y + body.height)

    if not merge:
        return body
    return Sketch(max(body.left, merge.left), max(body.right, merge.right), body.height + merge.height, paint)


def _branches(block: Block) -> Sketch:
    """Returns the branches between the line that splits and the one that joins; of two, the first goes straight on
    and the second around it, unless they are concatenated.
    """
    before = block.source.shape[:-1] if block.source else None
    parts = [chain(branch, before, last(block).shape[:-1]) for branch in block.branches]
    added = block.merge is not None and not block.merge.label.startswith("concat")
    around = len(parts) == 2 and (added or not block.branches[1])
    wide = sum(part.left + part.right for part in parts) + SIDE * (len(parts) - 1)
    left = parts[0].left if around else wide / 2
    tall = max(part.height for part in parts) + 2 * GAP
    starts = [not (branch and isinstance(branch[0], Piece) and branch[0].kind == "input") for branch in block.branches]

    def paint(axes: Axes, x: float, y: float) -> None:
        at, bottom = x - left, y + tall
        for part, begins in zip(parts, starts, strict=True):
            at += part.left
            if begins:
                line(axes, (x, y), (x, y + JOINT), (at, y + JOINT), (at, y + GAP - (0.03 if part.height else 0)))
            if part.height and begins:
                arrow(axes, at, y + GAP)
            part.paint(axes, at, y + GAP)
            line(axes, (at, y + GAP + part.height - part.tail), (at, bottom - JOINT), (x, bottom - JOINT), (x, bottom))
            at += part.right + SIDE

    return Sketch(left, wide - left, tall, paint)


def _tangle(tangle: Tangle) -> Sketch:
    """Returns the pieces in rows, each joined to those above that it takes by straight lines behind the boxes."""
    step = BOX + 2 * GAP
    rows = [[(position, piece, box(piece)) for position, piece in rank] for rank in tangle.ranks]
    wide = max(sum(part.left + part.right + SIDE for _, _, part in row) - SIDE for row in rows)
    inside = {position for row in rows for position, _, _ in row}
    taken = {parent for row in rows for _, piece, _ in row for parent in piece.parents}
    joined = set(tangle.merge.parents) if tangle.merge else inside - taken

    def paint(axes: Axes, x: float, y: float) -> None:
        ends: dict[int, tuple[float, float]] = {}
        bottom = y + len(rows) * step + GAP
        for number, row in enumerate(rows):
            spare = (wide - sum(part.left + part.right for _, _, part in row)) / len(row)
            at, top = x - wide / 2 + spare / 2, y + GAP + number * step
            for position, piece, part in row:
                at += part.left
                outside = [] if set(piece.parents) <= inside else [(x, y)]
                for start in [*outside, *(ends[parent] for parent in piece.parents if parent in ends)]:
                    line(axes, start, (at, top))
                part.paint(axes, at, top)
                ends[position] = (at, top + part.height)
                if position in joined:
                    line(axes, ends[position], (x, bottom))
                at += part.right + spare

    return Sketch(wide / 2, wide / 2, len(rows) * step + GAP, paint)
