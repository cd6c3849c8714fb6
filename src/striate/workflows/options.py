"""How images are found, corrected, checked and divided: what every verb that trains asks for alike."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from striate.classifier import Classifier
from striate.config import replace_config
from striate.data.loaders.folder import NestedMode
from striate.errors import ConfigError
from striate.models.architecture import Architecture, build_model
from striate.models.pretrained import check_weights_match
from striate.models.pretrained_weights import fetch_weights
from striate.models.registry import ARCHITECTURES, get_architecture
from striate.progress import Progress
from striate.training.auto_config import network_of, preprocessing_of, refuse_grey
from striate.training.presets import recipe_named
from striate.training.recipe import Recipe

MAX_BROKEN = 0.2  # fraction of unreadable images above which a training does not begin


@dataclass(frozen=True)
class Conditions:
    """The data's side of a training, see flow.train.

    Attributes:
        data_dir: where named data sets lie or are put.
        validation: fraction of the images to choose by, unless the data brings its own.
        test: share to measure on, unless the data brings its own.
        max_broken: fraction of unreadable images above which nothing is trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of images to leave out or to relabel, as `striate data --fix` writes it.
        allow_leaks: train although images of one split have copies in another.
    """

    data_dir: str | Path | None = None
    validation: float = 0.1
    test: float = 0.2
    max_broken: float = MAX_BROKEN
    nested: NestedMode = "top"
    corrections: str | Path | None = None
    allow_leaks: bool = False

    @property
    def place(self) -> str | None:
        """The folder of named data sets, found again from anywhere."""
        return None if self.data_dir is None else str(Path(self.data_dir).resolve())


def parted(settings: Mapping[str, Any]) -> tuple[Conditions, dict[str, Any]]:
    """Returns the conditions among a training's settings, and the others: changes of its recipe."""
    names = {field.name for field in fields(Conditions)}
    own = {name: value for name, value in settings.items() if name in names and value is not None}
    return Conditions(**own), {name: value for name, value in settings.items() if name not in names}


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
    """Returns the recipe with its changes and the model it trains, None where the images decide. A typo is told,
    and weights are looked for, before any image is read.
    """
    chosen = recipe_named(recipe)
    model = None
    if named := architecture or chosen.architecture:
        model = get_architecture(named)
        changes = {**changes, "architecture": model.name}
    chosen = replace_config(chosen, "the recipe", **one_budget(changes))
    if chosen.weights is not None:
        refuse_grey(chosen)
        model = model or get_architecture(network_of(chosen.weights))
        check_weights_match(model, fetch_weights(chosen.weights, model.name, progress=progress))
        chosen = replace_config(chosen, architecture=model.name)
    if model is not None and chosen.dropout is None:
        chosen = replace_config(chosen, dropout=model.dropout)
    return chosen, model


def try_out(network: Architecture, recipe: Recipe, classes: tuple[str, ...]) -> None:
    """Builds and saves a user's own model untrained, so that what it lacks is told before the training."""
    if ARCHITECTURES.get(network.name) is network:
        return
    preprocessing = preprocessing_of(recipe)
    model = build_model(network, preprocessing.shape, len(classes), dropout=recipe.dropout)
    with tempfile.TemporaryDirectory(prefix="striate-") as folder:
        Classifier(model, classes, preprocessing).save(Path(folder))
