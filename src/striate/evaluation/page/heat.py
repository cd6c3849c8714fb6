"""The colours of a confusion matrix: blue for right, red for wrong, stronger for a larger share of the true class."""

from __future__ import annotations

import math

Colour = tuple[int, int, int]
RIGHT: Colour = (0, 100, 160)
WRONG: Colour = (192, 50, 33)
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
        mixed = tuple(round(p + (c - p) * strength) for p, c in zip(paper, RIGHT if is_right else WRONG, strict=True))
        light = _luminance(mixed)
        ink = "#fff" if 1.05 / (light + 0.05) >= ENOUGH else "#000"
        said.append(f"--{names[0]}:#{''.join(f'{part:02x}' for part in mixed)};--{names[1]}:{ink}")
    return ";".join(said)


def _luminance(colour: tuple[int, ...]) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
