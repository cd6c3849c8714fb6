"""Whether a model can be trained on these images at all, known before anything is read or allocated."""

from __future__ import annotations

import os
import shutil
from math import prod
from pathlib import Path
from typing import Any

from striate.errors import RunError
from striate.models.architecture import (
    Architecture,
    build_model,
    build_size_error,
    build_without_weights,
    find_collapsed_layer,
)
from striate.models.cost import load_cost_table
from striate.models.pretrained import resolve_pretrained_architecture
from striate.models.registry import ARCHITECTURES, DEFAULT_ARCHITECTURE
from striate.system.backend import keras, list_devices
from striate.system.backend_choice import require_backend
from striate.system.hardware import measure_memory
from striate.system.process import is_process_claimed
from striate.training.auto_config import preprocessing_of
from striate.training.checkpoint_store import MAX_CHECKPOINTS
from striate.training.recipe import Recipe


def refuse_unfit(network: Architecture, classes: int, recipe: Recipe) -> None:
    """Checks the size of the images from both ends.

    The memory is looked at where the processor computes, since its system kills a process that asks for too much
    without a word; an accelerator says so itself. A model of one's own is not looked at: it is built once before
    its training, which tells more.

    Args:
        network: to be trained.
        classes: how many.
        recipe: planned (see plan.plan).

    Raises:
        ConfigError: the images are too small for the model.
        TrainingError: the machine's memory cannot hold the training.
    """
    if ARCHITECTURES.get(network.name) is not network:
        return
    shape = preprocessing_of(recipe).shape
    least = load_cost_table()[network.name]["smallest_side"]
    if recipe.weights is None and min(shape[:2]) < least:
        raise build_size_error(network, shape, least)
    if recipe.weights is None and is_surely_fit(network.name, shape, classes, recipe):
        return
    row = resolve_pretrained_architecture(network, shape) if recipe.weights is not None else network
    try:
        model = build_without_weights(row, shape, classes)
        is_small = find_collapsed_layer(model) is not None
    except ValueError:
        is_small = True
    if is_small:
        build_model(row, shape, classes)  # which has the words
    if is_small or list_devices() != ["cpu"] or not measure_memory():
        return
    needed = footprint(model, recipe)
    if needed > measure_memory():
        from striate.training.loop import out_of_memory

        raise out_of_memory(
            recipe,
            f"{network.name}, {shape[0]}×{shape[1]} pixels, batches of {recipe.batch}: "
            f"at least {needed / 2**30:,.0f} GiB, where the machine has {measure_memory() / 2**30:,.0f}",
        )


STEM = 2
"""How many times the multiply-adds of its native size a model may cost on small images, for which it keeps larger
maps (see models/stem.py)."""

LEAST_WORK = 9
"""Multiply-adds behind each value of a map, at least: the smallest window of a convolution here is 3×3 on one channel,
and layers that look at one place only have more channels than nine."""


def is_surely_fit(name: str, shape: tuple[int, int, int], classes: int, recipe: Recipe) -> bool:
    """Returns whether a model of the table can be trained on images of this shape beyond doubt, by an upper bound
    from the figures that are kept of it: without building it, which needs a backend.

    Args:
        name: the model's.
        shape: height, width (pixels) and channels of the images.
        classes: how many.
        recipe: planned.
    """
    known, row = load_cost_table()[name], ARCHITECTURES[name]
    growth = max(1.0, prod(shape[:2]) / prod(row.native_shape[:2])) * max(1.0, classes / row.native_classes)
    maps = 2 * STEM * known["multiply_adds"] / LEAST_WORK  # twice: behind a layer, and behind the join that follows it
    needed = growth * (4 * 4 * known["parameters"] + 4 * maps * (recipe.batch or 1))
    return bool(needed < measure_memory())


def footprint(model: Any, recipe: Recipe) -> int:
    """Returns a lower bound in bytes: weights, gradients, the optimizer's moments, and one batch's maps behind every
    convolution, dense layer and join, which wait for the way back. A resting backbone keeps its weights only.
    """
    weights: int = sum(prod(variable.shape) for variable in model.weights)
    if recipe.weights is not None and not recipe.fine_tune:
        return 4 * weights
    copies = 3 if recipe.optimizer == "sgd" else 4
    kinds = (keras.layers.Conv2D, keras.layers.Dense, keras.layers.DepthwiseConv2D, keras.layers.Add)
    maps: int = sum(prod(layer.output.shape[1:]) for layer in model.layers if isinstance(layer, kinds))
    width = 4 if recipe.precision == "float32" else 2
    return 4 * copies * weights + width * maps * (recipe.batch or 1)


REPORT = 64 << 20  # bytes for all that is no weights: report, lists, images of plots, what TensorBoard shows


def room_needed(weights: int, recipe: Recipe) -> int:
    """Returns the bytes that a training of so many weights writes at most: its checkpoints, one of them in the making,
    each with the weights, the optimizer's moments and the best epoch's weights; the classifier; and its report.
    """
    moments = 1 if recipe.optimizer == "sgd" else 2
    return 4 * weights * ((2 + moments) * (MAX_CHECKPOINTS + 1) + 1) + REPORT


def refuse_full(folder: Path, network: Architecture, classes: int, recipe: Recipe) -> None:
    """Raises RunError when the disk of the folder, which may not be there yet, has too little room.

    A model of one's own is not looked at.
    """
    if ARCHITECTURES.get(network.name) is not network:
        return
    shape = preprocessing_of(recipe).shape
    row = resolve_pretrained_architecture(network, shape) if recipe.weights is not None else network
    weights = sum(prod(variable.shape) for variable in build_without_weights(row, shape, classes).weights)
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    needed, free = room_needed(weights, recipe), shutil.disk_usage(there).free
    if free < needed:
        raise RunError(
            "The disk has too little room for this training",
            received=f"{free / 1e6:,.0f} MB free at {there}",
            expected=f"{needed / 1e6:,.0f} MB for {MAX_CHECKPOINTS + 1} checkpoints of {network.name}, the classifier "
            "and the report",
            hint="--runs on another disk",
        )


VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""What TensorFlow reads when it starts."""

SMALL = 50_000_000
"""Multiply-adds of one batch, forward, up to which one thread takes no longer than two, and less processor time."""


def limit_threads(recipe: Recipe) -> None:
    """Has TensorFlow compute with one thread where the planned training is so small that several would mostly wait for
    each other. TensorFlow reads the number once, when it starts: nothing is changed in a process that may do other work
    afterwards, nor where the user has set a number.

    Args:
        recipe: planned.
    """
    if (
        not is_process_claimed()
        or require_backend().name != "tensorflow"
        or any(name in os.environ for name in VARIABLES)
    ):
        return
    if (work := batch_work(recipe)) is not None and work <= SMALL:
        os.environ.update(dict.fromkeys(VARIABLES, "1"))


def batch_work(recipe: Recipe) -> float | None:
    """Returns about how many multiply-adds one batch takes, forward; None for an architecture of one's own.

    Args:
        recipe: planned.
    """
    name = recipe.architecture or DEFAULT_ARCHITECTURE
    if name not in ARCHITECTURES or recipe.height is None or recipe.width is None:
        return None
    growth = recipe.height * recipe.width / prod(ARCHITECTURES[name].native_shape[:2])
    return float(load_cost_table()[name]["multiply_adds"] * growth * (recipe.batch or 1))
