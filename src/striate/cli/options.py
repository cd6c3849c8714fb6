"""Options that several verbs share, so that each has one name and one explanation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

runs = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where data sets known by name lie or are put  [env: STRIATE_DATA_DIR].",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
debug = click.option("--debug", is_flag=True, help="Show Python's traceback when something goes wrong.")
backend = click.option("--backend", metavar="NAME", help="Keras backend: tensorflow, jax or torch.")
device = click.option("--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")


def engine(function: F) -> F:
    """Adds --backend and --device, for verbs that run a network."""
    return backend(device(function))


def common(function: F) -> F:
    """Adds --json, --quiet and --debug."""
    return as_json(quiet(debug(function)))


def choose_engine(backend: str | None, device: str) -> None:
    """Applies --backend and --device, before Keras is imported; a GPU asked for must be there."""
    from striate.environment import choose_backend, choose_device

    choose_backend(backend)
    choose_device(device)
    if device.startswith("gpu"):
        from striate.backend import require_device

        require_device(device)
