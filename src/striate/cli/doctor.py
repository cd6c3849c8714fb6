"""striate doctor."""

from __future__ import annotations

from pathlib import Path

import click

from striate.cli import options
from striate.errors import to_printable

SEVERITY_LABELS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@click.command(context_settings=options.CONTEXT_SETTINGS)
@click.argument("run", required=False)
@options.runs
@options.backend
@options.add_common_options
def doctor(run: str | None, runs: Path, backend: str | None, as_json: bool, quiet: bool, debug: bool) -> int:
    """Find what is wrong with this environment: backend, devices, versions, files that hide packages.

    With a RUN, find what is wrong with that training instead: what shows it, and one command to try.

    The exit code is 1 when something prevents work, or when what came out of the training is of no use.
    """
    return _diagnose_training(run, runs, as_json) if run is not None else _diagnose_environment(backend, as_json)


def _diagnose_environment(backend: str | None, as_json: bool) -> int:
    import os

    from striate.cli.console import print_json
    from striate.cli.doctor_checks import check_environment

    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend
    facts, found = check_environment()
    if backend is not None:
        facts["chosen_by"] = "the option --backend"
    if as_json:
        findings = [
            {"kind": one.kind, "severity": one.severity, "evidence": one.evidence, "fix": one.fix}
            for one in found
            if one.severity != "ok"
        ]
        print_json({"environment": facts, "findings": findings})
    else:
        for one in found:
            click.echo(to_printable(f"{SEVERITY_LABELS[one.severity]}  {one.evidence}"))
            if one.fix:
                click.echo(to_printable(f"         Try: {one.fix}"))
        click.echo(f"Python {facts['python']}; " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    return 1 if any(one.severity == "error" for one in found) else 0


def _diagnose_training(name: str, runs: Path, as_json: bool) -> int:
    from striate.cli.console import print_json
    from striate.config import to_plain
    from striate.diagnosis.diagnose import diagnose
    from striate.diagnosis.evidence import collect_evidence
    from striate.runs.store import RunStore

    run = RunStore(runs).find(name)
    said = diagnose(collect_evidence(run))
    if as_json:
        findings = to_plain(said.diagnoses)
        print_json(
            {
                "run": str(run.path),
                "summary": said.summary,
                "findings": findings,
                "missing": list(said.missing_evidence),
            }
        )
    else:
        if not said.diagnoses:
            click.echo(to_printable(said.summary))
        for one in said.diagnoses:
            click.echo(to_printable(f"{SEVERITY_LABELS[one.severity]}  {one.verdict}."))
            click.echo(to_printable(f"         {one.evidence[0].upper()}{one.evidence[1:]}."))
            click.echo(to_printable(f"         Try: {one.fix}"))
        if said.missing_evidence:
            click.echo(
                to_printable(f"Not looked at, since this run did not keep it: {'; '.join(said.missing_evidence)}.")
            )
    return 1 if any(one.severity == "error" for one in said.diagnoses) else 0
