"""The explainer: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.errors import ConfigError, printable
from striate.explain.explainer.payload import Shown, document
from striate.explain.explainer.steps import Step
from striate.reporting import html
from striate.training.history import Epoch

MOST = 12 * 2**20  # bytes of weights in a page
ASKED_MOST = 64 * 2**20  # bytes of weights that somebody asked for by name
LARGE = 4 * 2**20  # bytes of one step's value for one picture that a page does not hold


@dataclass(frozen=True)
class Held:
    """What the page has of every step.

    Attributes:
        weights: whether it has the weights, or there are none.
        states: `computed` in the page; `given`: Keras' value is in the page; `absent`.
    """

    weights: tuple[bool, ...]
    states: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether everything is computed in the page."""
        return set(self.states) == {"computed"}


def held(found: Sequence[Step], asked: Collection[str] = (), most: int = MOST) -> Held:
    """Returns what a page with `most` bytes of weights holds: the layers asked for, the logits, and then, from the
    picture on, whatever fits.

    Raises:
        ConfigError: a layer asked for is not in the network, or by far too large.
    """
    kept = _kept(found, asked, most)
    states: list[str] = []
    for position, step in enumerate(found):
        is_known = step.kind != "other" and kept[position]
        if is_known and step.weights:
            for source in step.inputs:
                known_to_keras = found[source].operation is not None
                if states[source] == "absent" and known_to_keras and _bytes(found[source]) <= LARGE:
                    states[source] = "given"
        is_computed = is_known and all(states[source] != "absent" for source in step.inputs)
        is_last = position == len(found) - 1
        is_small = step.kind == "other" and _bytes(step) <= LARGE
        states.append("computed" if is_computed else "given" if is_last or is_small else "absent")
    return Held(tuple(kept), tuple(states))


def _kept(found: Sequence[Step], asked: Collection[str], most: int) -> list[bool]:
    wanted = [any(step.name == name or step.name.startswith(f"{name}/") for name in asked) for step in found]
    for name in asked:
        if not any(step.name == name for step in found):
            names = [step.name for step in found if step.weights]
            raise ConfigError("There is no such layer", received=name, expected=", ".join(names[-8:]))
    sizes = [sum(array.nbytes for array in step.weights.values()) for step in found]
    for step, size, is_wanted in zip(found, sizes, wanted, strict=True):
        if is_wanted and size > ASKED_MOST:
            raise ConfigError(
                f"The weights of {step.name} are too many for a page",
                received=f"{size / 2**20:,.0f} MB",
                expected=f"at most {ASKED_MOST // 2**20} MB",
            )
    last = len(found) - 1
    order = sorted(range(len(found)), key=lambda at: (not wanted[at], at != last, at))
    kept, used = [False] * len(found), 0
    for position in order:
        if wanted[position] or not sizes[position] or used + sizes[position] <= most:
            kept[position] = True
            used += sizes[position]
    return kept


def _bytes(step: Step) -> int:
    return 4 * prod(step.shape)


SCRIPTS = ("activations", "engine", "how", "canvas", "overview", "windows", "vectors", "points", "lessons", "main")
"""In the order in which they need each other; what stands at the beginning of a script needs those before it."""

PICTURES = 12  # in a page
TINY = 64  # pixels: smaller pictures are shown with hard edges


def save_explainer(
    path: Path,
    classifier: Classifier,
    pictures: Sequence[Shown],
    *,
    name: str,
    method: str = "",
    epochs: Sequence[Epoch] = (),
    kept: int = 0,
    layers: Collection[str] = (),
    most: int = MOST,
) -> bool:
    """Returns whether the page holds the whole network; it is written whole or not at all.

    Args:
        path: of the page.
        classifier: whose network.
        pictures: at least one; the first PICTURES are shown.
        name: the run's.
        method: how the pictures' heat was found.
        epochs: of its training.
        kept: number of the epoch whose weights these are.
        layers: whose weights the page must hold, where the network is too large for it.
        most: bytes of weights in the page.

    Raises:
        ConfigError: the network is no graph of layers, or has no such layer, or one too large.
    """
    shown = list(pictures[:PICTURES])
    content, numbers, has = document(classifier, shown, epochs=epochs, kept=kept, layers=layers, most=most)
    content["method"] = method
    html.save_page(
        path,
        "striate.explain",
        "explainer.html.j2",
        name=printable(name),
        lead=_lead(classifier, content, has.is_whole),
        pictures=[
            {"name": row["name"], "src": html.picture(one.pixels, TINY), "tiny": max(one.pixels.shape) <= TINY}
            for row, one in zip(content["pictures"], shown, strict=False)  # fewer of large values
        ],
        network=html.data(content),
        numbers=numbers.text(),
        footer="All numbers are computed in this page, from the network's own weights; it asks for nothing.",
        script=html.script("striate.explain", "el.js", *(f"explainer/{one}.js" for one in SCRIPTS)),
    )
    return has.is_whole


def _lead(classifier: Classifier, content: dict[str, Any], is_whole: bool) -> str:
    weights = sum(row["parameters"] for row in content["steps"])
    layers = len(content["steps"]) - 1
    what = f"{classifier.architecture}: {layers} steps and {weights:,} weights between a picture and its answer"
    if is_whole:
        return f"{what}, all of them in this page."
    held = sum(row["state"] == "computed" for row in content["steps"]) - 1
    return f"{what}. The network is too large for one page: {held} of the steps can be computed in it."
