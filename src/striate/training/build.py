"""A model before its first step: its values, its arithmetic, and what rests."""

from __future__ import annotations

from typing import Any

from striate.config import replace_config
from striate.models.architecture import Architecture, build_model
from striate.models.pretrained import build_pretrained_model
from striate.models.pretrained_weights import fetch_weights
from striate.progress import Progress
from striate.system.backend import keras, set_seed
from striate.training.performance.precision import choose_precision, count_operations
from striate.training.recipe import Recipe
from striate.training.transfer import freeze_backbone


def build_models(
    architecture: Architecture,
    image_shape: tuple[int, int, int],
    num_classes: int,
    recipe: Recipe,
    progress: Progress,
    *,
    image_count: int,
) -> tuple[Any, Any, Recipe]:
    """Returns the model in float32, the one that learns, which is the same unless it computes in less, and the recipe
    with the arithmetic chosen.

    Args:
        architecture: what to build.
        image_shape: of an image: height, width, channels.
        num_classes: how many.
        recipe: planned (see plan.plan).
        progress: told of bfloat16.
        image_count: how many there are in the training set.
    """
    plain = build_initial_model(architecture, image_shape, num_classes, recipe, "float32", progress)
    is_resting = recipe.weights is not None and not recipe.fine_tune
    if recipe.precision == "auto":
        operations = count_operations(plain, recipe, image_count)
        precision = choose_precision(plain, progress, is_inference_only=is_resting, operations=operations)
        recipe = replace_config(recipe, precision=precision)
        set_seed(recipe.seed)  # measuring drew random numbers
    if recipe.precision == "float32" or is_resting:
        return plain, plain, recipe
    return (
        plain,
        build_initial_model(architecture, image_shape, num_classes, recipe, recipe.precision, progress),
        recipe,
    )


def build_initial_model(
    architecture: Architecture,
    image_shape: tuple[int, int, int],
    num_classes: int,
    recipe: Recipe,
    precision: str,
    progress: Progress,
) -> Any:
    """Returns the model as it is before its first step, the same weights whatever the arithmetic."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.DTypePolicy(precision))
    set_seed(recipe.seed)
    try:
        if recipe.weights is None:
            return build_model(architecture, image_shape, num_classes, dropout=recipe.dropout, seed=recipe.seed)
        weights = fetch_weights(recipe.weights, architecture.name, progress=progress)
        rate = architecture.dropout if recipe.dropout is None else recipe.dropout
        model = build_pretrained_model(architecture, image_shape, num_classes, weights, dropout=rate, seed=recipe.seed)
        freeze_backbone(model)
        return model
    finally:
        keras.config.set_dtype_policy(before)
