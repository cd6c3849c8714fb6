"""Diagnosis: one thing that is wrong with a training."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Literal

from striate.config import frozen_config, read_former_keys
from striate.diagnosis.evidence import Evidence


@read_former_keys(try_="fix")
@frozen_config
class Diagnosis:
    """A fault, what shows it, and one thing to try.

    Attributes:
        kind: a fixed word for it.
        severity: `error`: what came out is of no use, or its figures are wrong; `warning`: it could be better.
        verdict: what is wrong, in one sentence without its full stop.
        evidence: what shows it.
        fix: one command.
        files: the images concerned, by key, as far as they are known.
    """

    kind: str
    severity: Literal["error", "warning"]
    verdict: str
    evidence: str
    fix: str
    files: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Verdict and command in one line."""
        return f"{self.verdict}. Try: {self.fix}"


Detector = Callable[[Evidence], Diagnosis | None]
"""Looks for one kind of fault."""


DATA_PLACEHOLDER = "DATA"
"""Stands for images that were handed over in Python."""

VALUELESS_OPTIONS = (
    "--grayscale",
    "--color",
    "--grey",
    "--colour",
    "--allow-leaks",
    "--json",
    "--quiet",
    "-q",
    "--debug",
)
"""Options of `striate train` that take no value."""

DISPLAY_OPTIONS = ("--json", "--quiet", "-q", "--debug")
"""Those of them that only say what is shown."""

OPTIONAL_VALUE_OPTIONS = ("--dropout", "--fine-tune")
"""Options whose value may be left out."""

EXCLUSIVE_OPTIONS = {"--epochs": ("--minutes",)}
"""Option → others that may not stand beside it."""


def build_train_command(evidence: Evidence, option: str, value: object) -> str:
    """Returns the run's command with one option set anew; it may not take the run's name again, and
    shows what it does.
    """
    gone = {option, *EXCLUSIVE_OPTIONS.get(option, ()), "--name", *DISPLAY_OPTIONS}
    words = shlex.split(evidence.command)
    if words[:2] != ["striate", "train"]:
        words = [*("striate", "train", evidence.source or DATA_PLACEHOLDER), "--recipe", f"{evidence.path}/recipe.json"]
    return shlex.join(["striate", "train", *_remove_options(words[2:], gone), option, str(value)])


def build_data_command(evidence: Evidence, *arguments: str) -> str:
    """Returns the command that looks at the run's data."""
    return shlex.join(["striate", "data", evidence.source or DATA_PLACEHOLDER, *arguments])


def format_setting(value: float) -> str:
    """Returns a setting with two digits."""
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _remove_options(arguments: list[str], options: set[str]) -> list[str]:
    kept: list[str] = []
    index = 0
    while index < len(arguments):
        word = arguments[index]
        name, is_joined, _ = word.partition("=")
        index += 1
        if name not in options:
            kept.append(word)
        elif not is_joined and name not in VALUELESS_OPTIONS and index < len(arguments):
            following = arguments[index]
            index += name not in OPTIONAL_VALUE_OPTIONS or not following.startswith("-")
    return kept
