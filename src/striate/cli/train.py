"""striate train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli import options
from striate.cli.options import add_training_options
from striate.errors import to_printable

if TYPE_CHECKING:
    from striate.data.loaders.folder import NestedMode
    from striate.runs.run import Run

RESUME_PARAMETERS = ("resume", "finish", "on", "workers", "runs", "backend", "device", "as_json", "quiet", "debug")
"""Parameters that may stand beside --resume."""


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("data", required=False)
@add_training_options
@options.target_risk
@click.option("--replay", is_flag=True, help="Record every epoch for striate replay.")
@click.option("--name", help="Name of the run.")
@click.option("--resume", metavar="RUN", help="Resume a run that was stopped or killed.")
@click.option("--finish", is_flag=True, help="With --resume: learn no more, and finish the run as it is.")
@click.option("--deterministic", is_flag=True, help="The same bits from the same training on the same machine.")
@click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Between checkpoints; by default they are rare enough to cost little.",
)
@options.add_artifacts_option("all", "Pages and plots to make")
@options.on
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="With --on: processes that train together; one for each GPU, or each computer, unless told.",
)
@options.runs
@options.nested
@options.data_dir
@options.add_backend_options
@options.add_common_options
@click.pass_context
def train(
    context: click.Context,
    /,
    data: str | None,
    arch: str | None,
    recipe: str,
    size: str | None,
    grayscale: bool | None,
    validation: float,
    test: float,
    max_broken: float,
    nested: NestedMode | None,
    corrections: Path | None,
    allow_leaks: bool,
    target_risk: float | None,
    replay: bool,
    name: str | None,
    resume: str | None,
    finish: bool,
    deterministic: bool,
    save_every: float | None,
    artifacts: tuple[str, ...],
    on: str | None,
    workers: int | None,
    runs: Path,
    data_dir: Path | None,
    backend: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **settings: Any,
) -> int:
    """Train a classifier on DATA and write a run.

    DATA is a folder with one folder per class (below train/val/test if you like), a zip or tar archive of one, a CSV
    table (path,label[,split]), a Parquet table or a folder of them, or a data set known by name (see striate
    datasets). Without any option the model, the image size, the schedule and the augmentation follow from the data.

    Ctrl-C ends a training after the step at work and leaves a checkpoint; --resume RUN goes on from there, as it does
    after a power cut.

    With --on several processes of a Ray cluster train together, each on its fraction of every batch (JAX or PyTorch).
    """
    if resume is not None:
        _refuse_other_options(context)
        return _resume_run(resume, runs, backend, device, on, workers, finish=finish, as_json=as_json, quiet=quiet)
    if finish:
        raise click.UsageError("--finish goes with --resume RUN.")
    if workers is not None and on is None:
        raise click.UsageError("--workers goes with --on ADDRESS.")
    if data is None:
        raise click.UsageError("Missing argument 'DATA'. Try: striate train digits")
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress
    from striate.workflows.train import train as train_data

    changes = options.build_recipe_overrides(size, grayscale, settings)
    run = train_data(
        data,
        architecture=arch,
        recipe=recipe,
        name=name,
        runs=runs,
        data_dir=data_dir,
        validation=validation,
        test=test,
        max_broken=max_broken,
        nested=nested or "top",
        corrections=corrections,
        allow_leaks=allow_leaks,
        target_risk=target_risk,
        replay=replay,
        deterministic=deterministic,
        save_every=save_every,
        artifacts=artifacts,
        on=on,
        workers=workers,
        progress=create_progress(as_json=as_json, quiet=quiet),
        command=shlex.join(["striate", "train", *sys.argv[2:]]),
        **changes,
    )
    return _print_outcome(run, as_json=as_json)


def _resume_run(
    name: str,
    runs: Path,
    backend: str | None,
    device: str,
    on: str | None,
    workers: int | None,
    *,
    finish: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Resumes a run, on the backend that it began with unless another is asked for."""
    from striate.runs.request import load_request
    from striate.runs.store import RunStore

    run = RunStore(runs).find(name)
    if backend is None and run.state in ("unfinished", "failed"):
        backend = load_request(run.path).backend
    options.configure_backend(backend, device)
    from striate.cli.console import create_progress
    from striate.workflows.train import resume

    found = resume(run, finish=finish, on=on, workers=workers, progress=create_progress(as_json=as_json, quiet=quiet))
    return _print_outcome(found, as_json=as_json)


def _refuse_other_options(context: click.Context) -> None:
    """Raises UsageError when --resume stands beside something that would shape another training."""
    given = [
        parameter.opts[0] if isinstance(parameter, click.Option) else "DATA"
        for parameter in context.command.params
        if parameter.name not in RESUME_PARAMETERS
        and context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"--resume resumes the training as it began. Received: {', '.join(given)}. "
            "Try: without it, or a new training."
        )


def _print_outcome(run: Run, *, as_json: bool) -> int:
    """Prints what became of a run, and returns the exit code."""
    from striate.cli.console import print_json
    from striate.cli.reports import print_diagnosis, print_report, print_run_files, summarize_run
    from striate.evaluation.selective import compute_operating_point

    if run.state == "unfinished":
        if as_json:
            print_json({"run": str(run.path), "state": run.state, "epochs": len(run.epochs)})
        else:
            epochs = f"{len(run.epochs)} {'epoch' if len(run.epochs) == 1 else 'epochs'}"
            click.echo(f"Stopped after {epochs}, with a checkpoint.")
            click.echo(to_printable(f"To go on:                            striate train --resume {run.path}"))
            click.echo(
                to_printable(f"To finish with what it has learned:   striate train --resume {run.path} --finish")
            )
        return 130
    if as_json:
        print_json(summarize_run(run))
    else:
        print_report(run.report)
        if limit := run.classifier.reject_below:
            click.echo(compute_operating_point(run.load_predictions("test"), limit).describe())
        if run.state == "interrupted":
            click.echo(f"Finished early, after {run.manifest.epochs} epochs, with what had been learned by then.")
        print_diagnosis(run)
        print_run_files(run)
    return 0
