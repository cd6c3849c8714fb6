"""The pictures behind the confusion matrix: a page holds some of every cell, and shows them when it is asked to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from striate.errors import printable
from striate.evaluation.evaluate import Measured
from striate.reporting import html

WRONG, RIGHT, MOST = 24, 12, 1200
"""Pictures of a cell off the diagonal and of one on it, and of all cells."""

TINY = 64  # pixels: smaller pictures are kept with every pixel
SIDE = 96  # pixels, larger ones
LITTLE = 0.005


def data(measured: Measured) -> Markup:
    """Returns JSON that may stand in a page: classes, pictures, and which of them each cell "i,j" shows (of the wrong
    the surest first, of the right the least sure).
    """
    cells = chosen(measured)
    order = list(dict.fromkeys(int(index) for indices in cells.values() for index in indices))
    place = {index: number for number, index in enumerate(order)}
    document = {
        "classes": [printable(name) for name in measured.decoded.images.classes],
        "pictures": [_picture(measured, index) for index in order],
        "cells": {f"{i},{j}": [place[int(index)] for index in indices] for (i, j), indices in cells.items()},
    }
    return html.data(document)


def chosen(measured: Measured) -> dict[tuple[int, int], NDArray[np.intp]]:
    """Returns (true, predicted) label → indices of pictures; where there are more than MOST in all, every cell gives of
    its own in turns.
    """
    labels, predicted, confidence = measured.decoded.images.labels, measured.predicted, measured.confidence
    number = len(measured.decoded.images.classes)
    place = labels.astype(np.int64) * number + predicted
    ordered = np.lexsort((np.where(labels == predicted, confidence, -confidence), place))
    starts = np.flatnonzero(np.r_[True, place[ordered][1:] != place[ordered][:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    found: dict[tuple[int, int], NDArray[np.intp]] = {}
    for start, end in zip(starts, ends, strict=True):
        i, j = divmod(int(place[ordered[start]]), number)
        found[i, j] = ordered[start:end][: RIGHT if i == j else WRONG]
    return _limited(found)


def _limited(found: dict[tuple[int, int], NDArray[np.intp]]) -> dict[tuple[int, int], NDArray[np.intp]]:
    each = _share([len(indices) for indices in found.values()])
    wrong_first = sorted(found, key=lambda cell: cell[0] == cell[1])
    left, kept = MOST, {}
    for cell in wrong_first:
        kept[cell] = found[cell][: min(each, left)]
        left -= len(kept[cell])
    return {cell: indices for cell, indices in kept.items() if len(indices)}


def _share(sizes: Sequence[int]) -> int:
    """Returns the largest number that every cell may give so that all give MOST at most; one at least."""
    return max((each for each in range(1, WRONG + 1) if sum(min(each, size) for size in sizes) <= MOST), default=1)


def _picture(measured: Measured, index: int) -> dict[str, Any]:
    images = measured.decoded.images
    pixels = measured.decoded.pixels[index]
    return {
        "key": printable(str(images.keys[index])),
        "true": int(images.labels[index]),
        "said": likeliest(measured, index),
        "src": html.picture(pixels, SIDE, "PNG" if max(pixels.shape) <= TINY else "WEBP"),
        "tiny": max(pixels.shape) <= TINY,
    }


def likeliest(measured: Measured, index: int, count: int = 3) -> list[tuple[int, float]]:
    """Returns labels and probabilities of a picture's likeliest classes, the true one among them; others only where
    they have LITTLE.
    """
    row = measured.log_probabilities[index]
    order = [int(label) for label in np.argsort(-row, kind="stable")[:count]]
    true = int(measured.decoded.images.labels[index])
    if true not in order:
        order[-1] = true
    shares = [(label, round(float(np.exp(row[label])), 4)) for label in order]
    return [
        (label, share) for place, (label, share) in enumerate(shares) if not place or label == true or share >= LITTLE
    ]


Colour = tuple[int, int, int]
RIGHT_COLOR: Colour = (0, 100, 160)
WRONG_COLOR: Colour = (192, 50, 33)
ENOUGH = 4.5
"""Contrast of text, by relative luminance (WCAG 2.1, success criterion 1.4.3)."""

PAPERS: tuple[Colour, Colour] = ((255, 255, 255), (27, 31, 36))
"""The page's paper in the light and in the dark."""


def heat(share: float, is_right: bool) -> str:
    """Returns a cell's style: colour and ink on white paper (--a, --b), and on dark (--c, --d).

    The ink is white where its contrast is ENOUGH, black elsewhere: on any colour one of the two has it.
    """
    strength = share if is_right else math.sqrt(share)
    said = []
    for paper, names in zip(PAPERS, ("ab", "cd"), strict=True):
        mixed = tuple(
            round(p + (c - p) * strength) for p, c in zip(paper, RIGHT_COLOR if is_right else WRONG_COLOR, strict=True)
        )
        light = _luminance(mixed)
        ink = "#fff" if 1.05 / (light + 0.05) >= ENOUGH else "#000"
        said.append(f"--{names[0]}:#{''.join(f'{part:02x}' for part in mixed)};--{names[1]}:{ink}")
    return ";".join(said)


def _luminance(colour: tuple[int, ...]) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
