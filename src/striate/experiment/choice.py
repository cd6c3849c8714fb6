"""The first decision: which recipe and which network, before any picture is read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import replace
from striate.errors import ConfigError
from striate.models.architecture import Architecture, build
from striate.models.architectures import ARCHITECTURES, architecture_named
from striate.models.backbones import find_weights
from striate.models.pretrained import refuse_foreign
from striate.progress import Progress
from striate.training.choose import network_of, refuse_grey
from striate.training.plan import preprocessing_of
from striate.training.recipe import Recipe
from striate.training.recipes import recipe_named


def one_budget(changes: dict[str, Any]) -> dict[str, Any]:
    """Returns the changes of a recipe; epochs asked for take the place of the minutes that it may state.

    Raises:
        ConfigError: both a time and a number of epochs are asked for.
    """
    if changes.get("epochs") is None:
        return changes
    if changes.get("minutes") is not None:
        raise ConfigError("Both a time and a number of epochs are given", hint="--minutes or --epochs")
    return {"minutes": None, **changes}


def choose(
    recipe: str | Path | Recipe, architecture: str | Architecture | None, changes: dict[str, Any], progress: Progress
) -> tuple[Recipe, Architecture | None]:
    """Returns the recipe with its changes and the network it trains, None where the pictures decide. A typo is told,
    and weights are looked for, before any picture is read.
    """
    chosen = recipe_named(recipe)
    network = None
    if named := architecture or chosen.architecture:
        network = architecture_named(named)
        changes = {**changes, "architecture": network.name}
    chosen = replace(chosen, "the recipe", **one_budget(changes))
    if chosen.weights is not None:
        refuse_grey(chosen)
        network = network or architecture_named(network_of(chosen.weights))
        refuse_foreign(network, find_weights(chosen.weights, network.name, progress=progress))
        chosen = replace(chosen, architecture=network.name)
    if network is not None and chosen.dropout is None:
        chosen = replace(chosen, dropout=network.dropout)
    return chosen, network


def try_out(network: Architecture, recipe: Recipe, classes: tuple[str, ...]) -> None:
    """Builds and saves a user's own network untrained, so that what it lacks is told before the training."""
    if ARCHITECTURES.get(network.name) is network:
        return
    preprocessing = preprocessing_of(recipe)
    model = build(network, preprocessing.shape, len(classes), dropout=recipe.dropout)
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        Classifier(model, classes, preprocessing).save(Path(folder))
