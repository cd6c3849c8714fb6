"""The images behind the confusion matrix: a page holds some of every cell, and shows them when it is asked to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from striate.errors import to_printable
from striate.evaluation.evaluate import Evaluation
from striate.reporting import html

MAX_WRONG_PER_CELL, MAX_CORRECT_PER_CELL, MAX_CELL_IMAGES = 24, 12, 1200
"""Images of a cell off the diagonal and of one on it, and of all cells."""

MAX_PIXELATED_SIDE = 64  # pixels: smaller images are kept with every pixel
MAX_THUMBNAIL_SIDE = 96  # pixels, larger ones
MIN_SHOWN_PROBABILITY = 0.005


def render_cell_data(evaluation: Evaluation) -> Markup:
    """Returns JSON that may stand in a page: classes, images, and which of them each cell "i,j" shows (of the wrong
    the surest first, of the right the least sure).
    """
    cells = select_cell_images(evaluation)
    order = list(dict.fromkeys(int(index) for indices in cells.values() for index in indices))
    place = {index: number for number, index in enumerate(order)}
    document = {
        "classes": [to_printable(name) for name in evaluation.decoded_set.images.classes],
        "images": [_build_image_row(evaluation, index) for index in order],
        "cells": {f"{i},{j}": [place[int(index)] for index in indices] for (i, j), indices in cells.items()},
    }
    return html.to_inline_json(document)


def select_cell_images(evaluation: Evaluation) -> dict[tuple[int, int], NDArray[np.intp]]:
    """Returns (true, predicted) label → indices of images; where there are more than MOST in all, every cell gives of
    its own in turns.
    """
    labels, predicted, confidence = (
        evaluation.decoded_set.images.labels,
        evaluation.predicted_labels,
        evaluation.confidence,
    )
    number = len(evaluation.decoded_set.images.classes)
    place = labels.astype(np.int64) * number + predicted
    ordered = np.lexsort((np.where(labels == predicted, confidence, -confidence), place))
    starts = np.flatnonzero(np.r_[True, place[ordered][1:] != place[ordered][:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    found: dict[tuple[int, int], NDArray[np.intp]] = {}
    for start, end in zip(starts, ends, strict=True):
        i, j = divmod(int(place[ordered[start]]), number)
        found[i, j] = ordered[start:end][: MAX_CORRECT_PER_CELL if i == j else MAX_WRONG_PER_CELL]
    return _limit_cell_images(found)


def _limit_cell_images(cells: dict[tuple[int, int], NDArray[np.intp]]) -> dict[tuple[int, int], NDArray[np.intp]]:
    each = _compute_cell_limit([len(indices) for indices in cells.values()])
    wrong_first = sorted(cells, key=lambda cell: cell[0] == cell[1])
    left, kept = MAX_CELL_IMAGES, {}
    for cell in wrong_first:
        kept[cell] = cells[cell][: min(each, left)]
        left -= len(kept[cell])
    return {cell: indices for cell, indices in kept.items() if len(indices)}


def _compute_cell_limit(sizes: Sequence[int]) -> int:
    """Returns the largest number that every cell may give so that all give MOST at most; one at least."""
    return max(
        (
            each
            for each in range(1, MAX_WRONG_PER_CELL + 1)
            if sum(min(each, size) for size in sizes) <= MAX_CELL_IMAGES
        ),
        default=1,
    )


def _build_image_row(evaluation: Evaluation, index: int) -> dict[str, Any]:
    images = evaluation.decoded_set.images
    pixels = evaluation.decoded_set.pixels[index]
    return {
        "key": to_printable(str(images.keys[index])),
        "true": int(images.labels[index]),
        "said": list_top_classes(evaluation, index),
        "src": html.encode_image_uri(
            pixels, MAX_THUMBNAIL_SIDE, "PNG" if max(pixels.shape) <= MAX_PIXELATED_SIDE else "WEBP"
        ),
        "tiny": max(pixels.shape) <= MAX_PIXELATED_SIDE,
    }


def list_top_classes(evaluation: Evaluation, index: int, max_classes: int = 3) -> list[tuple[int, float]]:
    """Returns labels and probabilities of an image's likeliest classes, the true one among them; others only where
    they have LITTLE.
    """
    row = evaluation.log_probabilities[index]
    order = [int(label) for label in np.argsort(-row, kind="stable")[:max_classes]]
    true = int(evaluation.decoded_set.images.labels[index])
    if true not in order:
        order[-1] = true
    fractions = [(label, round(float(np.exp(row[label])), 4)) for label in order]
    return [
        (label, fraction)
        for place, (label, fraction) in enumerate(fractions)
        if not place or label == true or fraction >= MIN_SHOWN_PROBABILITY
    ]


Color = tuple[int, int, int]
CORRECT_COLOR: Color = (0, 100, 160)
WRONG_COLOR: Color = (192, 50, 33)
MIN_CONTRAST = 4.5
"""Contrast of text, by relative luminance (WCAG 2.1, success criterion 1.4.3)."""

PAGE_BACKGROUNDS: tuple[Color, Color] = ((255, 255, 255), (27, 31, 36))
"""The page's paper in the light and in the dark."""


def format_cell_style(fraction: float, is_correct: bool) -> str:
    """Returns a cell's style: color and ink on white paper (--a, --b), and on dark (--c, --d).

    The ink is white where its contrast is ENOUGH, black elsewhere: on any color one of the two has it.
    """
    strength = fraction if is_correct else math.sqrt(fraction)
    said = []
    for paper, names in zip(PAGE_BACKGROUNDS, ("ab", "cd"), strict=True):
        mixed = tuple(
            round(p + (c - p) * strength)
            for p, c in zip(paper, CORRECT_COLOR if is_correct else WRONG_COLOR, strict=True)
        )
        light = _compute_luminance(mixed)
        ink = "#fff" if 1.05 / (light + 0.05) >= MIN_CONTRAST else "#000"
        said.append(f"--{names[0]}:#{''.join(f'{part:02x}' for part in mixed)};--{names[1]}:{ink}")
    return ";".join(said)


def _compute_luminance(color: tuple[int, ...]) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
