"""A model's pieces as a chain of layers and of blocks that branch and join, repeats counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.models.diagram.pieces import MERGE_LABELS, LayerNode


@dataclass(frozen=True)
class Block:
    """Branches that leave one point and meet in another.

    Attributes:
        branches: the items on each, in the order in which they are concatenated, or else the longest first; last,
            where there is one, a shortcut without any.
        merge: what joins them, or None where something outside does.
        source: where they come from, or None where they begin with inputs.
    """

    branches: tuple[tuple[ChainItem, ...], ...]
    merge: LayerNode | None
    source: LayerNode | None


@dataclass(frozen=True)
class IrregularBlock:
    """Pieces between two points that are no branches side by side.

    Attributes:
        ranks: the pieces in layers, each after all that it depends on, as (position, piece).
        merge: what joins them, or None.
    """

    ranks: tuple[tuple[tuple[int, LayerNode], ...], ...]
    merge: LayerNode | None


ChainItem = LayerNode | Block | IrregularBlock


@dataclass(frozen=True)
class RepeatGroup:
    """Items that follow each other `count` times.

    Attributes:
        items: the first time.
        count: 1 for an item that is alone.
        output: the piece that the last time ends in.
        tags: the fixed names of layers in the last of them.
    """

    items: tuple[ChainItem, ...]
    count: int
    output: LayerNode
    tags: tuple[str, ...]


MAX_PATTERN_ITEMS = 6
"""Items in a pattern that repeats, at most: searching longer ones finds nothing in the literature's models."""


def group_nodes(nodes: Sequence[LayerNode]) -> tuple[ChainItem, ...]:
    """Returns the chain from the input to the last output: cut at the pieces through which every path goes."""
    return _LayerGraph(nodes).extract_chain(range(len(nodes)), -1, len(nodes), has_direct_edge=False)


def group_repeats(items: Sequence[ChainItem]) -> list[RepeatGroup]:
    """Returns the chain with runs of the same structure counted: the same layers on maps of the same size.

    The channels that come *in* may differ, as they do in a dense block. Where several patterns start at an item, the
    one that covers most wins, the shorter of equals. A name ends a run, so that it stands where it belongs.
    """
    marks = [compute_signature(item) for item in items]
    named = [bool(_list_tags(item)) for item in items]

    def count_repeats(start: int, length: int) -> int:
        times, stop = 1, start + length
        while marks[stop : stop + length] == marks[start : start + length] and not any(named[start:stop]):
            times, stop = times + 1, stop + length
        return times

    found: list[RepeatGroup] = []
    start = 0
    while start < len(items):
        lengths = [
            length for length in range(1, MAX_PATTERN_ITEMS + 1) if length == 1 or count_repeats(start, length) > 1
        ]
        length = max(lengths, key=lambda length: (length * count_repeats(start, length), -length))
        times = count_repeats(start, length)
        if any(count_repeats(start + shift, length) >= times > 1 for shift in range(1, length)):
            length, times = 1, 1  # a, b, a, b, a is a and twice b, a: what is odd comes first
        stop = start + length * times
        tags = dict.fromkeys(tag for item in items[start:stop] for tag in _list_tags(item))
        found.append(
            RepeatGroup(tuple(items[start : start + length]), times, get_output_node(items[stop - 1]), tuple(tags))
        )
        start = stop
    return found


def compute_signature(item: ChainItem) -> object:
    """Returns what two items share when they look the same."""
    if isinstance(item, LayerNode):
        return (item.kind, item.label, item.shape[:-1])
    merge = item.merge and compute_signature(item.merge)
    if isinstance(item, IrregularBlock):
        first = item.ranks[0][0][0]
        inner: object = tuple(
            tuple(
                (compute_signature(piece), tuple(max(parent - first, -1) for parent in piece.parents))
                for _, piece in rank
            )
            for rank in item.ranks
        )
    else:
        inner = tuple(tuple(map(compute_signature, branch)) for branch in item.branches)
    return (type(item).__name__, inner, merge)


def get_output_node(item: ChainItem) -> LayerNode:
    """Returns the piece that an item's output comes from (one of them, where it is joined outside)."""
    if isinstance(item, LayerNode):
        return item
    if item.merge is not None:
        return item.merge
    return item.ranks[-1][-1][1] if isinstance(item, IrregularBlock) else get_output_node(item.branches[0][-1])


def list_nodes(item: ChainItem) -> list[LayerNode]:
    """Returns all pieces of an item."""
    if isinstance(item, LayerNode):
        return [item]
    joined = [item.merge] if item.merge else []
    if isinstance(item, IrregularBlock):
        return [piece for rank in item.ranks for _, piece in rank] + joined
    return [piece for branch in item.branches for inner in branch for piece in list_nodes(inner)] + joined


def _list_tags(item: ChainItem) -> list[str]:
    return [tag for piece in list_nodes(item) for tag in piece.tags]


class _LayerGraph:
    def __init__(self, nodes: Sequence[LayerNode]) -> None:
        self.nodes = nodes
        self.children: dict[int, set[int]] = {position: set() for position in range(-1, len(nodes))}
        for position, piece in enumerate(nodes):
            for parent in piece.parents or (-1,):  # -1: before all inputs
                self.children[parent].add(position)
        for position in range(len(nodes)):
            if not self.children[position]:
                self.children[position].add(len(nodes))  # after all ends

    def extract_chain(
        self, positions: Sequence[int], start: int, end: int, *, has_direct_edge: bool
    ) -> tuple[ChainItem, ...]:
        """Returns the chain of `positions`, sorted, between two points; `has_direct_edge`: an edge joins these, too.

        In a topological order a piece is on every path exactly when no edge jumps over it.
        """
        within = {*positions, end}
        onwards = self.children[start] & within
        reach = max(onwards if has_direct_edge else onwards - {end}, default=end)
        items: list[ChainItem] = []
        previous, pending = start, list[int]()
        for position in (*positions, end):
            if position < end and position < reach:
                pending.append(position)
            else:
                straight = position in self.children[previous] and (
                    has_direct_edge or (previous, position) != (start, end)
                )
                merge = self.nodes[position] if position < end else None
                if pending:
                    items.append(self._build_block(pending, previous, position, merge, straight))
                elif merge is not None:
                    items.append(merge)
                previous, pending = position, []
            if position < end:
                reach = max(reach, *(self.children[position] & within))
        return tuple(items)

    def _build_block(
        self, positions: list[int], start: int, end: int, merge: LayerNode | None, has_direct_edge: bool
    ) -> ChainItem:
        parts = self._find_components(positions)
        if len(parts) == 1 and not has_direct_edge:
            return IrregularBlock(self._compute_ranks(positions), merge)
        branches = [self.extract_chain(part, start, end, has_direct_edge=False) for part in parts]
        order = merge.parents if merge is not None and merge.label == MERGE_LABELS["Concatenate"] else ()
        place = {parent: number for number, parent in enumerate(order)}
        ranked = sorted(
            zip(parts, branches, strict=True),
            key=lambda pair: (min((place[at] for at in pair[0] if at in place), default=0), -len(pair[0])),
        )
        return Block(
            (*(branch for _, branch in ranked), *([()] if has_direct_edge else [])),
            merge,
            self.nodes[start] if start >= 0 else None,
        )

    def _find_components(self, positions: list[int]) -> list[list[int]]:
        """Returns the connected parts, each sorted."""
        label = {position: position for position in positions}

        def find_root(position: int) -> int:
            while label[position] != position:
                label[position] = label[label[position]]
                position = label[position]
            return position

        for position in positions:
            for child in self.children[position]:
                if child in label:
                    label[find_root(child)] = find_root(position)
        parts: dict[int, list[int]] = {}
        for position in positions:
            parts.setdefault(find_root(position), []).append(position)
        return list(parts.values())

    def _compute_ranks(self, positions: list[int]) -> tuple[tuple[tuple[int, LayerNode], ...], ...]:
        depth: dict[int, int] = {}
        for position in positions:
            depth[position] = 1 + max((depth.get(parent, -1) for parent in self.nodes[position].parents), default=-1)
        rows: list[list[tuple[int, LayerNode]]] = [[] for _ in range(max(depth.values()) + 1)]
        for position in positions:
            rows[depth[position]].append((position, self.nodes[position]))
        return tuple(map(tuple, rows))
