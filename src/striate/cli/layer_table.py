"""A network's layers as a table to read: what only dresses a layer is told with it, what repeats is told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from striate.models.cost import LayerCost

ALL = 32
"""Layers up to which a network is told in full."""

LONGEST = 12
"""Layers in a pattern that repeats, at most."""

NAMED = ("features", "embedding", "logits")

Row = tuple[LayerCost, str]
"""A layer, and what stands behind it: "×3" at the end of a pattern that comes three times, a bracket before."""


def layer_rows(layers: Sequence[LayerCost]) -> list[Row]:
    """Returns the layers to show, shortened when there are more than ALL."""
    if len(layers) <= ALL:
        return [(layer, "") for layer in layers]
    return _repeats(_dressed(layers))


def kind(layer: LayerCost) -> str:
    """Returns what a layer is, in a few letters: `Conv 3×3 /2` for a window of 3×3 that moves by 2."""
    name = layer.kind
    for long, brief in (("2D", ""), ("AveragePooling", "AvgPool"), ("Pooling", "Pool"), ("Normalization", "Norm")):
        name = name.replace(long, brief)
    if layer.window:
        name += f" {'×'.join(map(str, layer.window))}"
    usual = layer.window if "Pool" in name else (1, 1)
    if layer.strides and layer.strides != usual:
        name += f" /{'×'.join(map(str, dict.fromkeys(layer.strides)))}"
    return name


def _dressed(layers: Sequence[LayerCost]) -> list[LayerCost]:
    """Returns the layers that work or change the maps; the weights of others count with those they follow."""
    kept: dict[str, LayerCost] = {}
    standing: dict[str, str] = {}  # layer → the kept one that it belongs to
    for layer in layers:
        before = kept.get(standing.get(layer.inputs[0], "")) if layer.inputs else None
        works = layer.multiply_adds or layer.name in NAMED or "Pooling" in layer.kind or layer.kind == "Concatenate"
        if works or before is None:
            kept[layer.name] = layer
            standing[layer.name] = layer.name
        else:
            kept[before.name] = replace(before, parameters=before.parameters + layer.parameters)
            standing[layer.name] = before.name
    return [layer for layer in kept.values() if layer.multiply_adds or layer.inputs]


def _repeats(layers: list[LayerCost]) -> list[Row]:
    marks = [(kind(layer), layer.output, layer.parameters, layer.name in NAMED) for layer in layers]
    rows: list[Row] = []
    at = 0
    while at < len(layers):
        size, times = _pattern(marks, at)
        later, again = _pattern(marks, at + 1)
        if times == 1 or later * (again - 1) >= size * (times - 1):  # as much is saved by beginning later
            size, times = 1, 1
        for number, layer in enumerate(layers[at : at + size], start=1):
            bracket = "" if size == 1 else "╯ " if number == size else "╮" if number == 1 else "│"
            rows.append((layer, bracket + (f"×{times}" if times > 1 and number == size else "")))
        at += size * times
    return rows


def _pattern(marks: Sequence[object], at: int) -> tuple[int, int]:
    """Returns the size of the pattern at `at` that saves the most rows, and how often it comes."""
    found = [(size, _times(marks, at, size)) for size in range(1, LONGEST + 1)]
    return max(found, key=lambda pair: (pair[0] * (pair[1] - 1), -pair[0]))


def _times(marks: Sequence[object], at: int, size: int) -> int:
    """Returns how often the pattern of `size` marks at `at` follows itself, itself included."""
    times = 1
    while marks[at : at + size] == marks[at + times * size : at + (times + 1) * size] != []:
        times += 1
    return times
