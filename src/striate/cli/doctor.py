"""striate doctor."""

from __future__ import annotations

import click

from striate.cli import options
from striate.errors import printable

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@click.command(context_settings=options.CONTEXT)
@options.backend
@options.common
def doctor(backend: str | None, as_json: bool, quiet: bool, debug: bool) -> int:
    """Find what is wrong with this environment: backend, devices, versions, files that hide packages.

    The exit code is 1 when something prevents work.
    """
    import os

    from striate.cli.screen import print_json
    from striate.doctor import examine

    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend
    facts, found = examine()
    if backend is not None:
        facts["chosen_by"] = "the option --backend"
    if as_json:
        findings = [
            {"kind": one.kind, "severity": one.severity, "evidence": one.evidence, "try": one.try_}
            for one in found
            if one.severity != "ok"
        ]
        print_json({"environment": facts, "findings": findings})
    else:
        for one in found:
            click.echo(printable(f"{MARKS[one.severity]}  {one.evidence}"))
            if one.try_:
                click.echo(printable(f"         Try: {one.try_}"))
        click.echo(f"Python {facts['python']}; " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    return 1 if any(one.severity == "error" for one in found) else 0
