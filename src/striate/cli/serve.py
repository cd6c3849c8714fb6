"""striate serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.errors import BackendError, ConfigError, to_printable

if TYPE_CHECKING:
    from striate.runs.run import Run
    from striate.serving.model_registry import ServedModel

INSTALL_HINT = "pip install 'striate[serve]'"


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("classifiers", nargs=-1, required=True, metavar="RUN...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name that requests may be addressed to.")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Holds the token to ask for.")
@options.add_rejection_options
@options.runs
@options.add_backend_options
@options.add_common_options
def serve(
    classifiers: tuple[str, ...],
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    token_file: Path | None,
    reject_below: float | None,
    target_risk: float | None,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Answer over HTTP with the classifier of RUN, or of several.

    Each RUN is a run, a classifier's folder or an exported ONNX file; NAME=RUN gives it a name of yours. Only this
    computer may ask, unless --host says otherwise; then a token is needed, from --token-file or STRIATE_TOKEN. On
    SIGHUP the versions that lie there now take over, each once it has answered.
    """
    options.configure_backend(backend, device)
    try:
        from striate.serving.server import require_token, serve
    except ImportError as error:
        raise BackendError("The server needs an extra", received=f"no {error.name}", hint=INSTALL_HINT) from None
    from striate.cli.console import print_json

    token = _read_token(token_file)
    require_token(host, token)
    served = [_load_served_model(word, runs, reject_below, target_risk) for word in classifiers]
    names = [one.name for one in served]
    if len(set(names)) < len(names):
        raise ConfigError("Two classifiers have one name", received=", ".join(names), hint="NAME=RUN")

    def print_address(address: str) -> None:
        if as_json:
            print_json(
                {"address": address, "pid": os.getpid(), "classifiers": {one.name: one.version for one in served}}
            )
        else:
            what = ", ".join(f"{one.name} ({one.version})" for one in served)
            click.echo(to_printable(f"Serving {what} at {address}  (Ctrl-C ends it)"))

    serve(
        served,
        host=host,
        port=port,
        allowed_hosts=allow_host,
        token=token,
        on_start=print_address,
        on_reload=lambda what: click.echo(to_printable(what), err=True),
    )
    return 0


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("STRIATE_TOKEN")
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        raise ConfigError("The token's file cannot be read", received=path) from None


def _load_served_model(argument: str, runs: Path, reject_below: float | None, target_risk: float | None) -> ServedModel:
    """Returns the classifier that a word of the command line means."""
    from striate.cli.classifier_arg import locate_classifier
    from striate.serving.app import RUN_PAGES
    from striate.serving.model_registry import ServedModel, compute_version

    given, equals, place = argument.partition("=")
    one = locate_classifier(place if equals else argument, runs)

    def require_run() -> Run:
        if one.run is None:
            raise ConfigError("A target risk is reached on the run's own answers", received=one.path, expected="a run")
        return one.run

    version, classifier = compute_version(one.path), one.load()
    if compute_version(one.path) != version:
        raise ConfigError("The classifier changed while it was read", received=one.path, hint="once more")
    limit = options.resolve_threshold(reject_below, target_risk, require_run)
    if limit is not None:
        classifier.reject_below = limit
    return ServedModel(
        (given if equals else one.name).replace("/", "-") or "classifier",
        classifier,
        version,
        test_metrics={} if one.run is None else _summarize_metrics(one.run),
        pages={} if one.run is None else {name: one.run.path / file for name, file in RUN_PAGES.items()},
        reload=lambda: _load_served_model(argument, runs, reject_below, target_risk),
    )


def _summarize_metrics(run: Run) -> dict[str, Any]:
    """Returns how good a run's classifier is."""
    report = run.report
    return {"n": report.n, "accuracy": report.accuracy, "interval": list(report.interval)}
