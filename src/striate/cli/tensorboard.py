"""striate tensorboard."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli import options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.progress import Progress
    from striate.runs.run import Run

HOST = "127.0.0.1"
MAX_PORT_ATTEMPTS = 3  # ports
STARTUP_TIMEOUT = 90.0  # seconds until TensorBoard must answer


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("names", metavar="[RUN]...", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=6006, show_default=True, help="0 for any free one.")
@click.option("--write-only", is_flag=True, help="Write what TensorBoard reads, and start nothing.")
@options.runs
@options.add_backend_options
@options.add_common_options
def tensorboard(
    names: tuple[str, ...],
    port: int,
    write_only: bool,
    runs: Path,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Show runs in TensorBoard: all of them, or the RUNs named.

    What a run has not written for TensorBoard yet is written first, from what its folder holds. TensorBoard answers on
    this computer only (127.0.0.1). Ctrl-C ends it.
    """
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress, print_json
    from striate.errors import RunError
    from striate.runs.store import RunStore
    from striate.tensorboard.events import EVENTS_FOLDER, require_tensorboard

    require_tensorboard()
    store = RunStore(runs)
    found = [store.find(name) for name in names] if names else store.list()
    if not found:
        raise RunError("There is no run to show", received=runs, hint="striate train digits")
    shown = create_progress(as_json=True, quiet=quiet)
    for run in found:
        _write_events(run, shown)
    folders = [folder for run in found if (folder := run.path / EVENTS_FOLDER).is_dir()]
    if write_only or not folders:
        if as_json:
            print_json({"folders": [str(folder) for folder in folders]})
        else:
            for folder in folders:
                click.echo(to_printable(str(folder)))
        return 0 if folders else 2
    return _run_tensorboard(_build_logdir_arguments(found, runs, is_all=not names), port, as_json=as_json)


def _write_events(run: Run, progress: Progress) -> None:
    """Writes what a run that is over has not written yet."""
    from striate.errors import StriateError
    from striate.tensorboard.events import EVENTS_FOLDER

    if run.state in ("unfinished", "failed") or (run.path / EVENTS_FOLDER / "test").is_dir():
        return
    from striate.tensorboard.board import write_finished_run
    from striate.workflows.evaluate import some_measured  # only now, since they load the backend

    try:
        measured = some_measured(run, progress=progress)
    except StriateError as error:
        progress.log(f"{run.name}: without its images. {error}")
        measured = None
    try:
        write_finished_run(run, measured)
    except StriateError as error:
        progress.log(f"{run.name} cannot be shown: {error}")


def _build_logdir_arguments(selected_runs: list[Run], runs: Path, *, is_all: bool) -> list[str]:
    """Returns TensorBoard's arguments that say where the runs lie."""
    if is_all:
        return ["--logdir", str(runs)]
    if len(selected_runs) == 1:
        return ["--logdir", str(selected_runs[0].path)]
    return ["--logdir_spec", ",".join(f"{run.name}:{run.path}" for run in selected_runs)]


def _run_tensorboard(logdir_arguments: list[str], port: int, *, as_json: bool) -> int:
    """Runs TensorBoard until a signal comes; returns its exit code, 0 after a signal."""
    from striate.cli.console import print_json
    from striate.system.signals import on_first_signal

    process, free = _start_tensorboard(logdir_arguments, port)
    ended = False

    def stop_process() -> None:
        nonlocal ended
        ended = True
        process.terminate()

    with on_first_signal(stop_process):
        address = f"http://{HOST}:{free}/"
        if as_json:
            print_json({"address": address, "pid": process.pid})
        else:
            click.echo(to_printable(f"TensorBoard: {address}  (Ctrl-C ends it)"))
        code = process.wait()
    return 0 if ended or code == 0 else 1


def _start_tensorboard(logdir_arguments: list[str], port: int) -> tuple[subprocess.Popen[bytes], int]:
    """Returns TensorBoard, once it answers, and its port; where any port will do, another is tried if need be.

    Raises:
        ConfigError: the port is taken, or TensorBoard ends or stays silent.
    """
    from striate.errors import ConfigError

    said = ""
    for _ in range(1 if port else MAX_PORT_ATTEMPTS):
        free = _find_free_port(port)
        if free is None:
            raise ConfigError(
                "Something answers on that port already", received=port, hint="--port 0, for any free one"
            )
        command = [sys.executable, "-m", "tensorboard.main", *logdir_arguments, "--host", HOST, "--port", str(free)]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)  # noqa: S603  (ours)
            try:
                if _wait_until_ready(process, free):
                    return process, free
            except BaseException:
                process.kill()
                process.wait()
                raise
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
    raise ConfigError("TensorBoard does not answer", received=said[-400:] or "no word from it")


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Returns whether TensorBoard answers on the port, in time and before the process ends. That someone listens there
    is not enough: another program may have been faster to take the port.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before this computer
    until = time.monotonic() + STARTUP_TIMEOUT
    while process.poll() is None and time.monotonic() < until:
        with (
            contextlib.suppress(OSError, ValueError, HTTPException),
            direct.open(f"http://{HOST}:{port}/data/environment", timeout=5) as prediction,
        ):
            if "data_location" in json.load(prediction) and process.poll() is None:
                return True
        time.sleep(0.1)
    process.kill()
    process.wait()
    return False


def _find_free_port(port: int) -> int | None:
    """Returns the port, or any free one for 0; None if something has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
