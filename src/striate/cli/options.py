"""Options that several verbs share, so that each has one name and one explanation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from striate.runs.run import Run

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

runs = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where data sets known by name lie or are put  [env: STRIATE_DATA_DIR].",
)
recipe = click.option(
    "--recipe", default="default", show_default=True, help="Name (see striate recipes) or recipe.json."
)


class _BatchSize(click.ParamType[Any]):
    """A number of images, or `auto`."""

    name = "N or auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


class ArtifactNames(click.ParamType[Any]):
    """Names of artifacts, or `all` or `none`."""

    name = "NAMES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the names, in the order of the table of artifacts."""
        from striate.runs.artifacts import parse_artifact_names

        return parse_artifact_names(value)


def add_artifacts_option(default: str, help_prefix: str) -> Callable[[F], F]:
    """Returns the option --artifacts."""
    return click.option(
        "--artifacts",
        type=ArtifactNames(),
        default=default,
        show_default=True,
        help=f"{help_prefix}: all, none, or names among report, plots and inside; striate report makes them later.",
    )


batch = click.option("--batch", type=_BatchSize(), help="Images per step; auto measures which are fastest.")
learning_rate = click.option("--lr", "learning_rate", type=float, help="Learning rate (the schedule's peak).")
size = click.option("--size", metavar="N or HxW", help="Height and width the images are brought to, pixels.")
grayscale = click.option("--grayscale/--color", default=None, help="One channel or three.")
augment = click.option(
    "--augment", metavar="WORD", help="auto, none, digits, clothes, photos, or flip,shift=0.1,rotate=10 …"
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "mixed_bfloat16", "mixed_float16"]),
    help="Arithmetic while training; auto measures which is fastest.",
)
validation = click.option(
    "--validation", type=float, default=0.1, show_default=True, help="Share to choose by, if none is given."
)
test = click.option("--test", type=float, default=0.2, show_default=True, help="Share to measure on, if none is given.")
max_broken = click.option(
    "--max-broken", type=float, default=0.2, show_default=True, help="Fraction of unreadable files tolerated."
)
corrections = click.option(
    "--corrections",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A list of images to leave out or relabel, as striate data --fix writes it.",
)
allow_leaks = click.option(
    "--allow-leaks", is_flag=True, help="Train although splits share images; the accuracy without them is told too."
)
on = click.option(
    "--on",
    metavar="ADDRESS",
    help="Train on a Ray cluster, several at a time: host:port, or local for one on this computer.",
)
nested = click.option(
    "--nested",
    type=click.Choice(["top", "path"]),
    help="Folders within class folders: more of the same class (top), or classes of their own (path).",
)
reject_below = click.option(
    "--reject-below", type=click.FloatRange(0, 1), metavar="P", help="Abstain below this confidence."
)
target_risk = click.option(
    "--target-risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="R",
    help="Answer only so often that at most this share is wrong, as the validation images promise.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
debug = click.option("--debug", is_flag=True, help="Show Python's traceback when something goes wrong.")
backend = click.option("--backend", metavar="NAME", help="Keras backend: tensorflow, jax or torch.")
device = click.option("--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")


def add_backend_options(function: F) -> F:
    """Adds --backend and --device, for verbs that run a model."""
    return backend(device(function))


def add_split_options(function: F) -> F:
    """Adds --validation, --test, --max-broken, --corrections and --allow-leaks, for verbs that divide images."""
    return validation(test(max_broken(corrections(allow_leaks(function)))))


def add_rejection_options(function: F) -> F:
    """Adds --reject-below and --target-risk, for verbs that answer."""
    return reject_below(target_risk(function))


def add_common_options(function: F) -> F:
    """Adds --json, --quiet and --debug."""
    return as_json(quiet(debug(function)))


def configure_backend(backend: str | None, device: str) -> None:
    """Applies --backend and --device, before Keras is imported; a GPU asked for must be there."""
    from striate.system.backend_choice import choose_backend, choose_device

    choose_backend(backend)
    choose_device(device)
    if device.startswith("gpu"):
        from striate.system.backend import require_device

        require_device(device)


def build_recipe_overrides(size: str | None, grayscale: bool | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of the recipe that options name; those not given are left out.

    Raises:
        click.BadParameter: `size` is not one.
    """
    found = {name: value for name, value in settings.items() if value is not None}
    if grayscale is not None:
        found["channels"] = 1 if grayscale else 3
    if size is not None:
        found["height"], found["width"] = parse_image_size(size)
    return found


def parse_image_size(text: str) -> tuple[int, int]:
    """Returns the (height, width) that --size asks for, pixels.

    Raises:
        click.BadParameter: it is not `64` or `48x64`.
    """
    height, _, width = text.lower().partition("x")
    if not height.isdecimal() or not (width or height).isdecimal() or not int(height) or not int(width or height):
        raise click.BadParameter(f"{text!r} is not a size. Expected: 64 or 48x64.", param_hint="--size")
    return int(height), int(width or height)


def resolve_threshold(
    reject_below: float | None, target_risk: float | None, load_run: Callable[[], Run]
) -> float | None:
    """Returns the confidence from which on is answered, None where the classifier's own holds; a target risk needs the
    run that `load_run` returns.
    """
    if target_risk is None:
        return reject_below
    if reject_below is not None:
        raise click.UsageError("--reject-below and --target-risk both set the confidence from which on is answered.")
    return load_run().compute_threshold(target_risk)


TRAINING_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--arch", metavar="NAME", help="Model: see striate models."),
    recipe,
    click.option("--pretrained", metavar="WEIGHTS", help="Weights to begin with: imagenet, a file of them, or none."),
    click.option(
        "--fine-tune",
        type=int,
        is_flag=False,
        flag_value=4,
        metavar="[EPOCHS]",
        help="Then let the pretrained layers learn too; 4 epochs without a number.",
    ),
    click.option("--epochs", type=int, help="Passes over the training images."),
    click.option(
        "--steps-per-epoch", type=int, help="Steps after which an epoch ends; all that the images fill, unless told."
    ),
    click.option("--minutes", type=float, help="Plan the epochs so that the training takes about so long."),
    batch,
    learning_rate,
    size,
    grayscale,
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
    augment,
    click.option(
        "--tta",
        type=click.Choice(["none", "mirror", "multicrop", "auto"]),
        help="Test-time augmentation: answer with the mean over an image and its mirror image, or six views.",
    ),
    click.option("--patience", type=int, help="Stop after so many epochs without a better validation loss."),
    precision,
    click.option("--seed", type=int, help="Of initial weights, order, dropout, augmentation and split."),
    add_split_options,
)


def add_training_options(function: F) -> F:
    """Adds what shapes a training and how its images are divided."""
    for option in reversed(TRAINING_OPTIONS):
        function = option(function)
    return function
