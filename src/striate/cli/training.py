"""The options of a training: train's, and those of the verbs that train several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from striate.cli import options

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--arch", metavar="NAME", help="Network: see striate models."),
    options.recipe,
    click.option("--pretrained", metavar="WEIGHTS", help="Weights to begin with: imagenet, a file of them, or none."),
    click.option(
        "--fine-tune",
        type=int,
        is_flag=False,
        flag_value=4,
        metavar="[EPOCHS]",
        help="Then let the pretrained layers learn too; 4 epochs without a number.",
    ),
    click.option("--epochs", type=int, help="Passes over the training pictures."),
    click.option(
        "--steps-per-epoch", type=int, help="Steps after which an epoch ends; all that the pictures fill, unless told."
    ),
    click.option("--minutes", type=float, help="Plan the epochs so that the training takes about so long."),
    options.batch,
    options.learning_rate,
    options.size,
    options.grey,
    click.option(
        "--fit", type=click.Choice(["stretch", "crop", "pad"]), help="How other shapes are brought to the size."
    ),
    click.option(
        "--dropout",
        type=float,
        is_flag=False,
        flag_value=0.5,
        metavar="[RATE]",
        help="Dropout; 0.5 without a number.",
    ),
    options.augment,
    click.option(
        "--tta",
        type=click.Choice(["none", "mirror", "multicrop", "auto"]),
        help="Test-time augmentation: answer with the mean over a picture and its mirror image, or six views.",
    ),
    click.option("--patience", type=int, help="Stop after so many epochs without a better validation loss."),
    options.precision,
    click.option("--seed", type=int, help="Of initial weights, order, dropout, augmentation and split."),
    options.shares,
)


def training(function: F) -> F:
    """Adds what shapes a training and how its pictures are divided."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function
