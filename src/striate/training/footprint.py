"""Whether a network can be trained on these pictures at all, known before anything is read or allocated."""

from __future__ import annotations

from math import prod
from typing import Any

from striate.backend import devices, keras
from striate.machine import memory
from striate.models.architecture import Architecture, build, outline, starved, too_small
from striate.models.architectures import ARCHITECTURES
from striate.models.cost import figures
from striate.models.pretrained import pretrained_row
from striate.training.plan import preprocessing_of
from striate.training.recipe import Recipe


def refuse_unfit(network: Architecture, classes: int, recipe: Recipe) -> None:
    """Checks the size of the pictures from both ends.

    The memory is looked at where the processor computes, since its system kills a process that asks for too much
    without a word; an accelerator says so itself. A network of one's own is not looked at: it is built once before
    its training, which tells more.

    Args:
        network: to be trained.
        classes: how many.
        recipe: planned (see plan.plan).

    Raises:
        ConfigError: the pictures are too small for the network.
        TrainingError: the machine's memory cannot hold the training.
    """
    if ARCHITECTURES.get(network.name) is not network:
        return
    shape = preprocessing_of(recipe).shape
    least = figures()[network.name]["smallest_side"]
    if recipe.weights is None and min(shape[:2]) < least:
        raise too_small(network, shape, least)
    if recipe.weights is None and is_surely_fit(network.name, shape, classes, recipe):
        return
    row = pretrained_row(network, shape) if recipe.weights is not None else network
    try:
        model = outline(row, shape, classes)
        is_small = starved(model) is not None
    except ValueError:
        is_small = True
    if is_small:
        build(row, shape, classes)  # which has the words
    if is_small or devices() != ["cpu"] or not memory():
        return
    needed = footprint(model, recipe)
    if needed > memory():
        from striate.training.loop import out_of_memory

        raise out_of_memory(
            recipe,
            f"{network.name}, {shape[0]}×{shape[1]} pixels, batches of {recipe.batch}: "
            f"at least {needed / 2**30:,.0f} GiB, where the machine has {memory() / 2**30:,.0f}",
        )


STEM = 2
"""How many times the multiply-adds of its native size a network may cost on small images, for which it keeps larger
maps (see models/stem.py)."""

LEAST_WORK = 9
"""Multiply-adds behind each value of a map, at least: the smallest window of a convolution here is 3×3 on one channel,
and layers that look at one place only have more channels than nine."""


def is_surely_fit(name: str, shape: tuple[int, int, int], classes: int, recipe: Recipe) -> bool:
    """Returns whether a network of the table can be trained on images of this shape beyond doubt, by an upper bound
    from the figures that are kept of it: without building it, which needs a backend.

    Args:
        name: the network's.
        shape: height, width (pixels) and channels of the images.
        classes: how many.
        recipe: planned.
    """
    known, row = figures()[name], ARCHITECTURES[name]
    growth = max(1.0, prod(shape[:2]) / prod(row.native[:2])) * max(1.0, classes / row.native_classes)
    maps = 2 * STEM * known["multiply_adds"] / LEAST_WORK  # twice: behind a layer, and behind the join that follows it
    needed = growth * (4 * 4 * known["parameters"] + 4 * maps * (recipe.batch or 1))
    return bool(needed < memory())


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
