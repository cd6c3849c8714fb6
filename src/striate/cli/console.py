"""What the terminal shows: progress bars, tables, reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from striate.config import to_plain
from striate.errors import to_printable
from striate.progress import NO_PROGRESS, LineProgress, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.text import Text


class BarProgress(Progress):
    """Draws one bar at a time, with an estimate of the time left; lines worth keeping scroll above it.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: RichProgress | None = None
        self._task: TaskID | None = None

    def begin(self, task: str, total: int, unit: str) -> None:
        """Shows a bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._live = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        self._task = self._live.add_task(task, total=total, note="")
        self._live.start()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Moves the bar."""
        if self._live is not None and self._task is not None:
            fields: Any = {} if note is None else {"note": note}
            self._live.update(self._task, advance=count, **fields)

    def end(self) -> None:
        """Takes the bar away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def log(self, line: str) -> None:
        """Prints a line above the bar."""
        self.console.print(to_printable(line), markup=False, highlight=False, soft_wrap=True)


def create_progress(*, as_json: bool, quiet: bool) -> Progress:
    """Returns how progress is shown: bars on a terminal, lines elsewhere, on stderr when stdout is for JSON."""
    if quiet:
        return NO_PROGRESS
    if not (sys.stderr if as_json else sys.stdout).isatty():
        return LineProgress(is_stderr=as_json)
    from rich.console import Console

    return BarProgress(Console(stderr=as_json))  # which looks the stream up whenever it writes


def print_json(value: Any) -> None:
    """Prints one JSON document on standard output."""
    click.echo(json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table.

    Args:
        columns: headings; one that begins with ">" is set flush right, one that ends with "…" may be wrapped.
        rows: cells; a rich Text is kept, everything else is printed safely.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.removeprefix(">").removesuffix("…"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not column.endswith("…"),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(to_printable(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width to respect
        console = Console(width=200)
    console.print(table)


def render_bar(fraction: float, width: int = 24) -> Text:
    """Returns a bar whose length is a share, 0..1."""
    from rich.text import Text

    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    text = "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
    return Text(text, style="blue")


def render_image_strip(images: Sequence[NDArray[np.uint8]], gap: int = 1) -> Text:
    """Returns images (h, w, 3) uint8 side by side, drawn with half blocks: one character is two pixels high."""
    from rich.style import Style
    from rich.text import Text

    text = Text()
    if not images:
        return text
    for row in range(0, images[0].shape[0] - 1, 2):
        for pixels in images:
            for upper, lower in zip(pixels[row].tolist(), pixels[row + 1].tolist(), strict=True):
                text.append("▀", Style(color="rgb({},{},{})".format(*upper), bgcolor="rgb({},{},{})".format(*lower)))
            text.append(" " * gap)
        text.append("\n")
    return text
