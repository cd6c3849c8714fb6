"""Tables and figures in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def section(title: str, command: str, *parts: str | Sequence[str]) -> list[str]:
    """Returns a section's lines: its heading, its parts with an empty line before each (a part is a line, or several),
    and the command that measures it.
    """
    lines = [f"## {title}"]
    for part in parts:
        lines += ["", *([part] if isinstance(part, str) else part)]
    return [*lines, "", f"    python benchmarks/{command}"]


def spread(found: dict[str, float], form: str) -> str:
    """Returns the median, with the least and the greatest in brackets."""
    return f"{form.format(found['median'])} [{form.format(found['min'])}, {form.format(found['max'])}]"


def table(header: Sequence[str], rows: Rows) -> list[str]:
    """Returns the lines of a table, all its columns but the first aligned to the right."""
    line = "| " + " | ".join(header) + " |"
    return [line, "|---|" + "---:|" * (len(header) - 1), *("| " + " | ".join(row) + " |" for row in rows)]
