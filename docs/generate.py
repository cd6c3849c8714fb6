"""Writes what comes from the code and from measurements: docs/cli.md, docs/performance.md, docs/trust.md,
docs/lessons.md, docs/inside.md and src/striate/models/figures.json.

`--check` writes nothing and says what is out of date.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import click
from lessons import lessons
from performance import page
from seeing import inside
from trusting import trust

from striate.cli import COMMANDS
from striate.models.architecture import Architecture, build_without_weights, find_min_side, is_shape_supported
from striate.models.cost import COST_TABLE_FILE, compute_cost, load_cost_table
from striate.models.registry import ARCHITECTURES


def reference() -> str:
    """Returns the command-line reference as Markdown."""
    parts = ["# The command line", "", "Generated from the code by `make docs`; do not edit.", ""]
    for verb, (module, summary) in COMMANDS.items():
        command: click.Command = getattr(importlib.import_module(f"striate.cli.{module}"), verb.replace("-", "_"))
        with click.Context(command, info_name=f"striate {verb}", terminal_width=100, max_content_width=100) as context:
            text = command.get_help(context)
        parts += [f"## striate {verb}", "", f"{summary[0].upper()}{summary[1:]}.", "", "```text", text, "```", ""]
    return "\n".join(parts)


def all_figures() -> str:
    """Returns the figures of every model as JSON, one line each."""
    before = load_cost_table() if COST_TABLE_FILE.is_file() else {}
    lines = []
    for name, row in ARCHITECTURES.items():
        found = compute_cost(build_without_weights(row, row.native_shape, row.native_classes))
        side = _smallest(row, before.get(name, {}).get("smallest_side"))
        lines.append(f"{json.dumps(name)}: {json.dumps({**vars(found), 'smallest_side': side})}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _smallest(row: Architecture, before: int | None) -> int:
    """Returns the smallest side; two looks show whether the one found before still holds, a search takes ten."""
    channels = row.native_shape[2]
    if before and is_shape_supported(row, (before, before, channels)):
        less = before - 1
        if not less or not is_shape_supported(row, (less, less, channels)):
            return before
    return find_min_side(row, channels)


DOCS = Path(__file__).parent
TARGETS = {
    DOCS / "cli.md": reference,
    DOCS / "performance.md": page,
    DOCS / "trust.md": trust,
    DOCS / "lessons.md": lessons,
    DOCS / "inside.md": inside,
    COST_TABLE_FILE: all_figures,
}
"""File → what it should hold."""


def main() -> int:
    """Returns 1 when `--check` finds a file out of date."""
    stale = 0
    for target, content in TARGETS.items():
        text = content()
        if "--check" not in sys.argv[1:]:
            target.write_text(text, encoding="utf-8")
        elif not target.is_file() or target.read_text(encoding="utf-8") != text:
            print(f"{target.name} is out of date. Try: make docs")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
