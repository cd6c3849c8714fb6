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
from striate.errors import ConfigError, to_printable
from striate.explain.explainer.lessons import LESSONS, find_lesson_name
from striate.explain.explainer.step_text import describe_step, describe_step_sizes
from striate.explain.explainer.steps import Step, compute_step_values, extract_steps
from striate.training.history import EpochMetrics

MAX_WEIGHT_BYTES = 12 * 2**20  # bytes of weights in a page
MAX_REQUESTED_BYTES = 64 * 2**20  # bytes of weights that somebody asked for by name
MAX_STEP_VALUE_BYTES = 4 * 2**20  # bytes of one step's value for one image that a page does not hold
MAX_REFERENCE_BYTES = 12 * 2**20  # bytes of Keras' own numbers; fewer images are shown if these need more


@dataclass(frozen=True)
class ExplainerImage:
    """An image for the page.

    Attributes:
        name: for people.
        pixels: (h, w, c) uint8, preprocessed.
        label: its class, where it is known.
        heatmap: (h, w) float, 0..1, where the classifier looked; None if nobody asked.
    """

    name: str
    pixels: NDArray[np.uint8]
    label: str | None = None
    heatmap: NDArray[Any] | None = None


@dataclass
class ArrayPacker:
    """Arrays laid one after the other, each at a multiple of four bytes."""

    chunks: list[bytes] = field(default_factory=list)
    byte_count: int = 0

    def add_array(self, array: NDArray[Any]) -> list[int]:
        """Returns where the array begins, in bytes, and how many elements it has; float32 and uint8 can be kept."""
        kept = np.ascontiguousarray(array, array.dtype if array.dtype == np.uint8 else "<f4")
        place = [self.byte_count, int(kept.size)]
        content = kept.tobytes()
        content += b"\0" * (-len(content) % 4)
        self.chunks.append(content)
        self.byte_count += len(content)
        return place

    def to_base64(self) -> str:
        """Returns all as base64."""
        return base64.b64encode(b"".join(self.chunks)).decode()


def build_payload(
    classifier: Classifier,
    images: Sequence[ExplainerImage],
    *,
    epochs: Sequence[EpochMetrics] = (),
    best_epoch: int = 0,
    include_layers: Collection[str] = (),
    max_weight_bytes: int = MAX_WEIGHT_BYTES,
) -> tuple[dict[str, Any], ArrayPacker, PageCoverage]:
    """Returns the document, the numbers that it points to, and what of the model is held.

    Args:
        classifier: whose model.
        images: at least one.
        epochs: of its training, for the lesson on overfitting.
        best_epoch: number of the epoch whose weights these are.
        include_layers: names of layers whose weights the page must hold.
        max_weight_bytes: bytes of weights in the page.

    Raises:
        ConfigError: the model is no graph of layers, or has no such layer, or one too large.
    """
    found, numbers = extract_steps(classifier.model), ArrayPacker()
    has = plan_coverage(found, include_layers, max_weight_bytes)
    rows = [_build_step_row(step, found, has, position, numbers) for position, step in enumerate(found)]
    given = [position for position, state in enumerate(has.states) if state == "given"]
    images = images[: max(1, MAX_REFERENCE_BYTES // max(1, sum(4 * prod(found[position].shape) for position in given)))]
    fractions = classifier.predict_probabilities(np.stack([one.pixels for one in images]))
    shown = [_build_image_row(one, prediction, numbers) for one, prediction in zip(images, fractions, strict=True)]
    if given:
        for row, one in zip(shown, images, strict=True):
            each = compute_step_values(classifier.model, found, one.pixels)
            row["given"] = {str(at): numbers.add_array(value) for at in given if (value := each[at]) is not None}
    lessons = [
        {
            "name": one.name,
            "title": one.title,
            "text": one.paragraphs,
            "sources": one.references,
            "kinds": one.step_kinds,
        }
        for one in LESSONS
    ]
    return (
        {
            "architecture": classifier.architecture,
            "classes": [to_printable(name) for name in classifier.classes],
            "temperature": classifier.temperature,
            "views": classifier.tta,
            "steps": rows,
            "images": shown,
            "whole": has.is_complete,
            "lessons": lessons,
            "epochs": [
                [one.loss, one.accuracy, one.val_loss, one.val_accuracy]
                for one in epochs
                if np.isfinite([one.loss, one.val_loss]).all()
            ],
            "kept": best_epoch,
        },
        numbers,
        has,
    )


def _build_step_row(
    step: Step, steps: Sequence[Step], coverage: PageCoverage, position: int, arrays: ArrayPacker
) -> dict[str, Any]:
    weights = (
        {name: arrays.add_array(array) for name, array in step.weights.items()}
        if coverage.has_weights[position]
        else {}
    )
    return {
        "name": to_printable(step.name),
        "layer": step.layer_class,
        "kind": step.kind,
        "inputs": step.inputs,
        "shape": step.shape,
        "settings": step.settings,
        "weights": weights,
        "parameters": step.parameters,
        "bytes": sum(array.nbytes for array in step.weights.values()),
        "state": coverage.states[position],
        "says": to_printable(describe_step(step, steps)),
        "sizes": describe_step_sizes(step, steps),
        "lesson": find_lesson_name(step.kind),
    }


def _build_image_row(image: ExplainerImage, probabilities: NDArray[np.float64], arrays: ArrayPacker) -> dict[str, Any]:
    heat = (
        None
        if image.heatmap is None
        else arrays.add_array((np.clip(image.heatmap, 0, 1) * 255).round().astype(np.uint8))
    )
    return {
        "name": to_printable(Path(image.name).name),
        "label": None if image.label is None else to_printable(image.label),
        "pixels": arrays.add_array(image.pixels),
        "heat": heat,
        "answer": [round(float(fraction), 9) for fraction in probabilities],
    }


@dataclass(frozen=True)
class PageCoverage:
    """What the page has of every step.

    Attributes:
        has_weights: whether it has the weights, or there are none.
        states: `computed` in the page; `given`: Keras' value is in the page; `absent`.
    """

    has_weights: tuple[bool, ...]
    states: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything is computed in the page."""
        return set(self.states) == {"computed"}


def plan_coverage(
    steps: Sequence[Step], include_layers: Collection[str] = (), max_weight_bytes: int = MAX_WEIGHT_BYTES
) -> PageCoverage:
    """Returns what a page with `max_weight_bytes` bytes of weights holds: the layers asked for, the logits, and then,
    from the image on, whatever fits.

    Raises:
        ConfigError: a layer asked for is not in the model, or by far too large.
    """
    kept = _select_weights(steps, include_layers, max_weight_bytes)
    states: list[str] = []
    for position, step in enumerate(steps):
        is_known = step.kind != "other" and kept[position]
        if is_known and step.weights:
            for source in step.inputs:
                known_to_keras = steps[source].keras_layer is not None
                if (
                    states[source] == "absent"
                    and known_to_keras
                    and _count_value_bytes(steps[source]) <= MAX_STEP_VALUE_BYTES
                ):
                    states[source] = "given"
        is_computed = is_known and all(states[source] != "absent" for source in step.inputs)
        is_last = position == len(steps) - 1
        is_small = step.kind == "other" and _count_value_bytes(step) <= MAX_STEP_VALUE_BYTES
        states.append("computed" if is_computed else "given" if is_last or is_small else "absent")
    return PageCoverage(tuple(kept), tuple(states))


def _select_weights(steps: Sequence[Step], include_layers: Collection[str], max_weight_bytes: int) -> list[bool]:
    wanted = [any(step.name == name or step.name.startswith(f"{name}/") for name in include_layers) for step in steps]
    for name in include_layers:
        if not any(step.name == name for step in steps):
            names = [step.name for step in steps if step.weights]
            raise ConfigError("There is no such layer", received=name, expected=", ".join(names[-8:]))
    sizes = [sum(array.nbytes for array in step.weights.values()) for step in steps]
    for step, size, is_wanted in zip(steps, sizes, wanted, strict=True):
        if is_wanted and size > MAX_REQUESTED_BYTES:
            raise ConfigError(
                f"The weights of {step.name} are too many for a page",
                received=f"{size / 2**20:,.0f} MB",
                expected=f"at most {MAX_REQUESTED_BYTES // 2**20} MB",
            )
    last = len(steps) - 1
    order = sorted(range(len(steps)), key=lambda at: (not wanted[at], at != last, at))
    kept, used = [False] * len(steps), 0
    for position in order:
        if wanted[position] or not sizes[position] or used + sizes[position] <= max_weight_bytes:
            kept[position] = True
            used += sizes[position]
    return kept


def _count_value_bytes(step: Step) -> int:
    return 4 * prod(step.shape)
