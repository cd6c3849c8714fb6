"""What the page is given: one JSON document, and all numbers, weights and pixels, as one block of bytes."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.errors import ConfigError, printable
from striate.explain.explainer.lessons import LESSONS, lesson_of
from striate.explain.explainer.step_text import arithmetic_of_size, sentence
from striate.explain.explainer.steps import Step, steps, values
from striate.training.history import Epoch

MOST = 12 * 2**20  # bytes of weights in a page
ASKED_MOST = 64 * 2**20  # bytes of weights that somebody asked for by name
LARGE = 4 * 2**20  # bytes of one step's value for one picture that a page does not hold
GIVEN = 12 * 2**20  # bytes of Keras' own numbers; fewer pictures are shown if these need more


@dataclass(frozen=True)
class Shown:
    """A picture for the page.

    Attributes:
        name: for people.
        pixels: (h, w, c) uint8, preprocessed.
        label: its class, where it is known.
        heat: (h, w) float, 0..1, where the classifier looked; None if nobody asked.
    """

    name: str
    pixels: NDArray[np.uint8]
    label: str | None = None
    heat: NDArray[Any] | None = None


@dataclass
class Numbers:
    """Arrays laid one after the other, each at a multiple of four bytes."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, array: NDArray[Any]) -> list[int]:
        """Returns where the array begins, in bytes, and how many elements it has; float32 and uint8 can be kept."""
        kept = np.ascontiguousarray(array, array.dtype if array.dtype == np.uint8 else "<f4")
        place = [self.length, int(kept.size)]
        content = kept.tobytes()
        content += b"\0" * (-len(content) % 4)
        self.parts.append(content)
        self.length += len(content)
        return place

    def text(self) -> str:
        """Returns all as base64."""
        return base64.b64encode(b"".join(self.parts)).decode()


def document(
    classifier: Classifier,
    pictures: Sequence[Shown],
    *,
    epochs: Sequence[Epoch] = (),
    kept: int = 0,
    layers: Collection[str] = (),
    most: int = MOST,
) -> tuple[dict[str, Any], Numbers, Held]:
    """Returns the document, the numbers that it points to, and what of the network is held.

    Args:
        classifier: whose network.
        pictures: at least one.
        epochs: of its training, for the lesson on overfitting.
        kept: number of the epoch whose weights these are.
        layers: names of layers whose weights the page must hold.
        most: bytes of weights in the page.

    Raises:
        ConfigError: the network is no graph of layers, or has no such layer, or one too large.
    """
    found, numbers = steps(classifier.model), Numbers()
    has = held(found, layers, most)
    rows = [_row(step, found, has, position, numbers) for position, step in enumerate(found)]
    given = [position for position, state in enumerate(has.states) if state == "given"]
    pictures = pictures[: max(1, GIVEN // max(1, sum(4 * prod(found[position].shape) for position in given)))]
    shares = classifier.probabilities(np.stack([one.pixels for one in pictures]))
    shown = [_picture(one, answer, numbers) for one, answer in zip(pictures, shares, strict=True)]
    if given:
        for row, one in zip(shown, pictures, strict=True):
            each = values(classifier.model, found, one.pixels)
            row["given"] = {str(at): numbers.add(value) for at in given if (value := each[at]) is not None}
    lessons = [
        {"name": one.name, "title": one.title, "text": one.text, "sources": one.sources, "kinds": one.kinds}
        for one in LESSONS
    ]
    return (
        {
            "architecture": classifier.architecture,
            "classes": [printable(name) for name in classifier.classes],
            "temperature": classifier.temperature,
            "views": classifier.tta,
            "steps": rows,
            "pictures": shown,
            "whole": has.is_whole,
            "lessons": lessons,
            "epochs": [
                [one.loss, one.accuracy, one.val_loss, one.val_accuracy]
                for one in epochs
                if np.isfinite([one.loss, one.val_loss]).all()
            ],
            "kept": kept,
        },
        numbers,
        has,
    )


def _row(step: Step, found: Sequence[Step], has: Held, position: int, numbers: Numbers) -> dict[str, Any]:
    weights = {name: numbers.add(array) for name, array in step.weights.items()} if has.weights[position] else {}
    return {
        "name": printable(step.name),
        "layer": step.layer,
        "kind": step.kind,
        "inputs": step.inputs,
        "shape": step.shape,
        "settings": step.settings,
        "weights": weights,
        "parameters": step.parameters,
        "bytes": sum(array.nbytes for array in step.weights.values()),
        "state": has.states[position],
        "says": printable(sentence(step, found)),
        "sizes": arithmetic_of_size(step, found),
        "lesson": lesson_of(step.kind),
    }


def _picture(one: Shown, shares: NDArray[np.float64], numbers: Numbers) -> dict[str, Any]:
    heat = None if one.heat is None else numbers.add((np.clip(one.heat, 0, 1) * 255).round().astype(np.uint8))
    return {
        "name": printable(Path(one.name).name),
        "label": None if one.label is None else printable(one.label),
        "pixels": numbers.add(one.pixels),
        "heat": heat,
        "answer": [round(float(share), 9) for share in shares],
    }


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
