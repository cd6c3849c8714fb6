"""A network's pieces as a chain of layers and of blocks that branch and join, repeats counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.models.diagram.pieces import MERGES, Piece


@dataclass(frozen=True)
class Block:
    """Branches that leave one point and meet in another.

    Attributes:
        branches: the items on each, in the order in which they are concatenated, or else the longest first; last,
            where there is one, a shortcut without any.
        merge: what joins them, or None where something outside does.
        source: where they come from, or None where they begin with inputs.
    """

    branches: tuple[tuple[Item, ...], ...]
    merge: Piece | None
    source: Piece | None


@dataclass(frozen=True)
class Tangle:
    """Pieces between two points that are no branches side by side.

    Attributes:
        ranks: the pieces in layers, each after all that it depends on, as (position, piece).
        merge: what joins them, or None.
    """

    ranks: tuple[tuple[tuple[int, Piece], ...], ...]
    merge: Piece | None


Item = Piece | Block | Tangle


@dataclass(frozen=True)
class Repeat:
    """Items that follow each other `count` times.

    Attributes:
        items: the first time.
        count: 1 for an item that is alone.
        output: the piece that the last time ends in.
        tags: the fixed names of layers in the last of them.
    """

    items: tuple[Item, ...]
    count: int
    output: Piece
    tags: tuple[str, ...]


LONGEST = 6
"""Items in a pattern that repeats, at most: searching longer ones finds nothing in the literature's networks."""


def blocks(pieces: Sequence[Piece]) -> tuple[Item, ...]:
    """Returns the chain from the input to the last output: cut at the pieces through which every path goes."""
    return _Graph(pieces).series(range(len(pieces)), -1, len(pieces), direct=False)


def repeats(items: Sequence[Item]) -> list[Repeat]:
    """Returns the chain with runs of the same structure counted: the same layers on maps of the same size.

    The channels that come *in* may differ, as they do in a dense block. Where several patterns start at an item, the
    one that covers most wins, the shorter of equals. A name ends a run, so that it stands where it belongs.
    """
    marks = [signature(item) for item in items]
    named = [bool(_tags(item)) for item in items]

    def count(start: int, length: int) -> int:
        times, stop = 1, start + length
        while marks[stop : stop + length] == marks[start : start + length] and not any(named[start:stop]):
            times, stop = times + 1, stop + length
        return times

    found: list[Repeat] = []
    start = 0
    while start < len(items):
        lengths = [length for length in range(1, LONGEST + 1) if length == 1 or count(start, length) > 1]
        length = max(lengths, key=lambda length: (length * count(start, length), -length))
        times = count(start, length)
        if any(count(start + shift, length) >= times > 1 for shift in range(1, length)):
            length, times = 1, 1  # a, b, a, b, a is a and twice b, a: what is odd comes first
        stop = start + length * times
        tags = dict.fromkeys(tag for item in items[start:stop] for tag in _tags(item))
        found.append(Repeat(tuple(items[start : start + length]), times, last(items[stop - 1]), tuple(tags)))
        start = stop
    return found


def signature(item: Item) -> object:
    """Returns what two items share when they look the same."""
    if isinstance(item, Piece):
        return (item.kind, item.label, item.shape[:-1])
    merge = item.merge and signature(item.merge)
    if isinstance(item, Tangle):
        first = item.ranks[0][0][0]
        inner: object = tuple(
            tuple((signature(piece), tuple(max(parent - first, -1) for parent in piece.parents)) for _, piece in rank)
            for rank in item.ranks
        )
    else:
        inner = tuple(tuple(map(signature, branch)) for branch in item.branches)
    return (type(item).__name__, inner, merge)


def last(item: Item) -> Piece:
    """Returns the piece that an item's output comes from (one of them, where it is joined outside)."""
    if isinstance(item, Piece):
        return item
    if item.merge is not None:
        return item.merge
    return item.ranks[-1][-1][1] if isinstance(item, Tangle) else last(item.branches[0][-1])


def members(item: Item) -> list[Piece]:
    """Returns all pieces of an item."""
    if isinstance(item, Piece):
        return [item]
    joined = [item.merge] if item.merge else []
    if isinstance(item, Tangle):
        return [piece for rank in item.ranks for _, piece in rank] + joined
    return [piece for branch in item.branches for inner in branch for piece in members(inner)] + joined


def _tags(item: Item) -> list[str]:
    return [tag for piece in members(item) for tag in piece.tags]


class _Graph:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.children: dict[int, set[int]] = {position: set() for position in range(-1, len(pieces))}
        for position, piece in enumerate(pieces):
            for parent in piece.parents or (-1,):  # -1: before all inputs
                self.children[parent].add(position)
        for position in range(len(pieces)):
            if not self.children[position]:
                self.children[position].add(len(pieces))  # after all ends

    def series(self, inside: Sequence[int], entry: int, leave: int, *, direct: bool) -> tuple[Item, ...]:
        """Returns the chain of `inside`, sorted, between two points; `direct`: an edge joins these, too.

        In a topological order a piece is on every path exactly when no edge jumps over it.
        """
        within = {*inside, leave}
        onwards = self.children[entry] & within
        reach = max(onwards if direct else onwards - {leave}, default=leave)
        items: list[Item] = []
        previous, pending = entry, list[int]()
        for position in (*inside, leave):
            if position < leave and position < reach:
                pending.append(position)
            else:
                straight = position in self.children[previous] and (direct or (previous, position) != (entry, leave))
                merge = self.pieces[position] if position < leave else None
                if pending:
                    items.append(self._between(pending, previous, position, merge, straight))
                elif merge is not None:
                    items.append(merge)
                previous, pending = position, []
            if position < leave:
                reach = max(reach, *(self.children[position] & within))
        return tuple(items)

    def _between(self, inside: list[int], entry: int, leave: int, merge: Piece | None, straight: bool) -> Item:
        parts = self._components(inside)
        if len(parts) == 1 and not straight:
            return Tangle(self._ranks(inside), merge)
        branches = [self.series(part, entry, leave, direct=False) for part in parts]
        order = merge.parents if merge is not None and merge.label == MERGES["Concatenate"] else ()
        place = {parent: number for number, parent in enumerate(order)}
        ranked = sorted(
            zip(parts, branches, strict=True),
            key=lambda pair: (min((place[at] for at in pair[0] if at in place), default=0), -len(pair[0])),
        )
        return Block(
            (*(branch for _, branch in ranked), *([()] if straight else [])),
            merge,
            self.pieces[entry] if entry >= 0 else None,
        )

    def _components(self, inside: list[int]) -> list[list[int]]:
        """Returns the connected parts, each sorted."""
        label = {position: position for position in inside}

        def root(position: int) -> int:
            while label[position] != position:
                label[position] = label[label[position]]
                position = label[position]
            return position

        for position in inside:
            for child in self.children[position]:
                if child in label:
                    label[root(child)] = root(position)
        parts: dict[int, list[int]] = {}
        for position in inside:
            parts.setdefault(root(position), []).append(position)
        return list(parts.values())

    def _ranks(self, inside: list[int]) -> tuple[tuple[tuple[int, Piece], ...], ...]:
        depth: dict[int, int] = {}
        for position in inside:
            depth[position] = 1 + max((depth.get(parent, -1) for parent in self.pieces[position].parents), default=-1)
        rows: list[list[tuple[int, Piece]]] = [[] for _ in range(max(depth.values()) + 1)]
        for position in inside:
            rows[depth[position]].append((position, self.pieces[position]))
        return tuple(map(tuple, rows))
