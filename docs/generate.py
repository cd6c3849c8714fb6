"""Writes the documents that come from the code: docs/cli.md. `--check` only says whether they are up to date."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from striate.cli import COMMANDS

TARGET = Path(__file__).parent / "cli.md"


def reference() -> str:
    """Returns the command-line reference as Markdown."""
    parts = ["# The command line", "", "Generated from the code by `make docs`; do not edit.", ""]
    for verb, (module, summary) in COMMANDS.items():
        command: click.Command = getattr(importlib.import_module(f"striate.cli.{module}"), verb)
        with click.Context(command, info_name=f"striate {verb}", terminal_width=100, max_content_width=100) as context:
            text = command.get_help(context)
        parts += [f"## striate {verb}", "", f"{summary[0].upper()}{summary[1:]}.", "", "```text", text, "```", ""]
    return "\n".join(parts)


def main() -> int:
    """Returns 1 when `--check` finds the document out of date."""
    text = reference()
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET.name} is out of date. Try: make docs")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
