"""striate models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import to_printable
from striate.models.cost import LayerCost

if TYPE_CHECKING:
    from striate.models.architecture import Architecture, Shape
    from striate.models.cost import Cost

UNIT_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("name", required=False)
@click.option("--max-parameters", metavar="N", help="Only those with at most N parameters: 5M, 300k …")
@click.option("--side", type=click.IntRange(min=1), metavar="N", help="Only those that work on images of N×N pixels.")
@click.option("--year", metavar="YEAR or FROM-TO", help="Only those of these years: 2014, 2012-2015.")
@click.option("--pretrained", is_flag=True, help="Only those that have weights learned on ImageNet.")
@click.option("--size", metavar="N or HxW", help="One model: at this image size instead of its own.")
@click.option("--grayscale/--color", default=None, help="One model: for images with one channel or three.")
@click.option("--classes", type=click.IntRange(min=2), metavar="K", help="One model: that tells K classes apart.")
@click.option(
    "--draw",
    type=click.Path(path_type=Path, dir_okay=False),
    help="One model: draw its layers, as SVG if the name ends so, else as PNG.",
)
@options.add_common_options
def models(
    name: str | None,
    max_parameters: str | None,
    side: int | None,
    year: str | None,
    pretrained: bool,
    size: str | None,
    grayscale: bool | None,
    classes: int | None,
    draw: Path | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """List the architectures that --arch takes, or describe one.

    With NAME: its description, cost, receptive field and layers, at its native size or at --size. A word that is no
    architecture's name lists the architectures whose names contain it.
    """
    from striate.models.registry import ARCHITECTURES

    if name in ARCHITECTURES:
        limits = {"max_parameters": max_parameters, "side": side, "year": year, "pretrained": pretrained or None}
        _refuse_options(f"chooses from the list, and {name} is one model", limits)
        row = ARCHITECTURES[name]
        height, width = row.native_shape[:2] if size is None else options.parse_image_size(size)
        channels = row.native_shape[2] if grayscale is None else 1 if grayscale else 3
        _show_architecture(row, (height, width, channels), classes or row.native_classes, draw, as_json=as_json)
    else:
        rows = _filter_architectures(name, max_parameters, side, year, pretrained=pretrained)
        _refuse_options(
            "needs the name of one model", {"size": size, "grayscale": grayscale, "classes": classes, "draw": draw}
        )
        _show_list(rows, as_json=as_json)


def _refuse_options(reason: str, values: Mapping[str, object]) -> None:
    for option, value in values.items():
        if value is not None:
            raise click.UsageError(f"--{option.replace('_', '-')} {reason}. Try: striate models --help")


def _filter_architectures(
    name_part: str | None, max_parameters: str | None, side: int | None, year: str | None, *, pretrained: bool
) -> list[dict[str, Any]]:
    from striate.errors import UnknownNameError
    from striate.models.cost import load_cost_table
    from striate.models.registry import ARCHITECTURES

    figure = load_cost_table()
    rows = [{**_describe_architecture(row), **figure[name]} for name, row in ARCHITECTURES.items()]
    if name_part is not None:
        rows = [row for row in rows if name_part.lower() in row["name"]]
        if not rows:
            raise UnknownNameError("architecture", name_part, ARCHITECTURES)
    if max_parameters is not None:
        most = _parse_count(max_parameters)
        rows = [row for row in rows if row["parameters"] <= most]
    if side is not None:
        rows = [row for row in rows if row["smallest_side"] <= side]
    if year is not None:
        first, last = _parse_years(year)
        rows = [row for row in rows if first <= row["year"] <= last]
    if pretrained:
        from striate.models.pretrained_weights import BACKBONES

        rows = [row for row in rows if row["name"] in BACKBONES]
    return rows


def _describe_architecture(row: Architecture) -> dict[str, Any]:
    names = ("name", "title", "authors", "year", "source", "description", "native_shape", "native_classes", "dropout")
    return {name: getattr(row, name) for name in names}


def _parse_count(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMG]?)", text.strip().replace("K", "k").replace("m", "M"))
    if not found:
        raise click.BadParameter(f"{text!r} is not a number. Expected: 5M or 300k.", param_hint="--max-parameters")
    return float(found[1]) * UNIT_FACTORS[found[2]]


def _parse_years(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is not a year. Expected: 2014 or 2012-2015.", param_hint="--year")
    return int(found[1]), int(found[2] or found[1])


def format_count(number: int) -> str:
    """Returns a number with three digits and its unit, such as 138 M."""
    rounded = float(f"{number:.3g}")
    if rounded < 1000:
        return str(number)
    unit, factor = next((unit, factor) for unit, factor in reversed(UNIT_FACTORS.items()) if rounded >= factor)
    value = rounded / factor
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def _show_list(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    from striate.cli.console import print_json, print_table

    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No model is like that. Try: striate models")
        return
    print_table(
        ["name", ">year", ">weights", ">multiply-adds", ">native", ">smallest", ">sees"],
        [
            (
                row["name"],
                row["year"],
                format_count(row["parameters"]),
                format_count(row["multiply_adds"]),
                _format_sides(row["native_shape"][:2]),
                row["smallest_side"],
                _format_sides(row["receptive_field"]),
            )
            for row in rows
        ],
    )
    click.echo("native: side in pixels of the images it was made for, at which its weights and")
    click.echo("multiply-adds (for one image) are counted. smallest: the least side that it")
    click.echo("works on. sees: side of what one unit of its last maps depends on.")
    click.echo("One of them:  striate models NAME [--size N] [--draw FILE]")


def _show_architecture(row: Architecture, shape: Shape, classes: int, draw: Path | None, *, as_json: bool) -> None:
    from striate.cli.console import print_json
    from striate.models.architecture import build_model, skip_weight_init
    from striate.models.cost import compute_cost, compute_layer_costs, load_cost_table

    with skip_weight_init():  # its weights need no values to be counted
        model = build_model(row, shape, classes)
    whole, layers = compute_cost(model), compute_layer_costs(model)
    smallest = load_cost_table()[row.name]["smallest_side"]
    if as_json:
        about = {**_describe_architecture(row), "smallest_side": smallest, "size": shape, "classes": classes}
        print_json({**about, **vars(whole), "layers": [vars(layer) for layer in layers]})
    else:
        _print_architecture(row, shape, classes, whole, smallest)
        _print_layers(layers)
    if draw is not None:
        from striate.models.diagram import plot_model
        from striate.reporting.figures import save_figure

        save_figure(plot_model(model, f"{row.title}, {row.year}"), draw)
        click.echo(to_printable(f"Drawn:  {draw}"), err=as_json)


def _print_architecture(row: Architecture, shape: Shape, classes: int, cost: Cost, min_side: int) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100)
    console.print(Text(row.title, style="bold"), Text(f"({row.name}, {row.year})"))
    console.print(Text(row.authors))
    console.print(Text(row.source, style="italic"))
    console.print()
    console.print(Text(row.description))
    console.print()
    colors = "grayscale" if shape[2] == 1 else "color"
    click.echo(f"For images of {_format_sides(shape[:2], both=True)} pixels in {colors} and {classes:,} classes:")
    click.echo(f"  weights           {cost.parameters:,}")
    click.echo(f"  multiply-adds     {cost.multiply_adds:,} for one image")
    click.echo(
        f"  receptive field   {_format_sides(cost.receptive_field, both=True)} "
        "pixels of the image for one unit of features"
    )
    click.echo(f"  smallest image  {min_side}×{min_side} pixels")


def _print_layers(layers: Sequence[LayerCost]) -> None:
    from striate.cli.console import print_table

    rows = build_layer_rows(layers)
    shortened = len(rows) < len(layers)
    print_table(
        ["layer…", "kind", ">output", ">weights", ">sees", *([""] if shortened else [])],
        [
            (
                layer.name,
                format_layer_kind(layer),
                "×".join(map(str, layer.output_shape)),
                format_count(layer.parameters) if layer.parameters else "",
                _format_sides(layer.receptive_field),
                *([mark] if shortened else []),
            )
            for layer, mark in rows
        ],
    )
    if shortened:
        click.echo("Normalization, activations, additions and padding belong to the layer before;")
        click.echo(f"×N: the pattern comes N times. --json has all {len(layers)} layers.")


def _format_sides(sides: Sequence[int], *, both: bool = False) -> str:
    """Returns a square's side, or height × width."""
    return f"{sides[0]}×{sides[1]}" if both or sides[0] != sides[1] else str(sides[0])


MAX_UNABRIDGED_LAYERS = 32
"""Layers up to which a model is told in full."""

MAX_PATTERN_LAYERS = 12
"""Layers in a pattern that repeats, at most."""

KEY_LAYERS = ("features", "embedding", "logits")

LayerRow = tuple[LayerCost, str]
"""A layer, and what stands behind it: "×3" at the end of a pattern that comes three times, a bracket before."""


def build_layer_rows(layers: Sequence[LayerCost]) -> list[LayerRow]:
    """Returns the layers to show, shortened when there are more than ALL."""
    if len(layers) <= MAX_UNABRIDGED_LAYERS:
        return [(layer, "") for layer in layers]
    return _collapse_repeats(_merge_minor_layers(layers))


def format_layer_kind(layer: LayerCost) -> str:
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


def _merge_minor_layers(layers: Sequence[LayerCost]) -> list[LayerCost]:
    """Returns the layers that work or change the maps; the weights of others count with those they follow."""
    kept: dict[str, LayerCost] = {}
    standing: dict[str, str] = {}  # layer → the kept one that it belongs to
    for layer in layers:
        before = kept.get(standing.get(layer.inputs[0], "")) if layer.inputs else None
        works = (
            layer.multiply_adds or layer.name in KEY_LAYERS or "Pooling" in layer.kind or layer.kind == "Concatenate"
        )
        if works or before is None:
            kept[layer.name] = layer
            standing[layer.name] = layer.name
        else:
            kept[before.name] = replace(before, parameters=before.parameters + layer.parameters)
            standing[layer.name] = before.name
    return [layer for layer in kept.values() if layer.multiply_adds or layer.inputs]


def _collapse_repeats(layers: list[LayerCost]) -> list[LayerRow]:
    marks = [
        (format_layer_kind(layer), layer.output_shape, layer.parameters, layer.name in KEY_LAYERS) for layer in layers
    ]
    rows: list[LayerRow] = []
    at = 0
    while at < len(layers):
        size, times = _find_pattern(marks, at)
        later, again = _find_pattern(marks, at + 1)
        if times == 1 or later * (again - 1) >= size * (times - 1):  # as much is saved by beginning later
            size, times = 1, 1
        for number, layer in enumerate(layers[at : at + size], start=1):
            bracket = "" if size == 1 else "╯ " if number == size else "╮" if number == 1 else "│"
            rows.append((layer, bracket + (f"×{times}" if times > 1 and number == size else "")))
        at += size * times
    return rows


def _find_pattern(signatures: Sequence[object], start: int) -> tuple[int, int]:
    """Returns the size of the pattern at `start` that saves the most rows, and how often it comes."""
    found = [(size, _count_repeats(signatures, start, size)) for size in range(1, MAX_PATTERN_LAYERS + 1)]
    return max(found, key=lambda pair: (pair[0] * (pair[1] - 1), -pair[0]))


def _count_repeats(signatures: Sequence[object], start: int, size: int) -> int:
    """Returns how often the pattern of `size` marks at `start` follows itself, itself included."""
    times = 1
    while signatures[start : start + size] == signatures[start + times * size : start + (times + 1) * size] != []:
        times += 1
    return times
