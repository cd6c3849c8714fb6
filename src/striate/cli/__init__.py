"""The command line. This module alone is loaded for `striate --help`; each verb's module when it is used."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from striate.system.process import claim_process

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train", "train a classifier and write a run"),
    "ladder": ("ladder", "train the models of history on the same data, and compare them"),
    "repeat": ("repeat", "train several times, with other seeds or on folds, and tell the spread"),
    "tune": ("tune", "search for a good recipe"),
    "learning-curve": ("learning_curve", "tell how much data is needed, and what twice as much would buy"),
    "predict": ("predict", "say what images show"),
    "evaluate": ("evaluate", "measure a run on its test images or on other data"),
    "report": ("report", "make the report, plots and pages of a finished run"),
    "compare": ("compare", "set runs side by side, and tell whether the difference is real"),
    "explain": ("explain", "show what a model makes of images, and where it looked"),
    "replay": ("explain", "put a recorded training on a slider"),
    "units": ("units", "show what the units of a layer have learned"),
    "map": ("map", "draw a map of a run's images, and tell what an image is similar to"),
    "export": ("export", "write a classifier for another program, checked against the original"),
    "serve": ("serve", "answer over HTTP"),
    "tensorboard": ("tensorboard", "show runs in TensorBoard"),
    "data": ("data", "look at and check a data set before training"),
    "doctor": ("doctor", "find what is wrong with this environment, or with a training"),
    "models": ("models", "list the models, or tell the story of one"),
    "datasets": ("list_commands", "list the data sets known by name"),
    "recipes": ("list_commands", "list the recipes for training"),
    "runs": ("list_commands", "list the runs"),
    "verify": ("verify", "tell whether a run's files are as they were written"),
}
"""Command → the module that defines it, and what it does."""

OLD_COMMANDS = {"learn-curve": "learning-curve"}
"""Earlier name of a command → its name."""

OLD_OPTIONS = {
    "--grey": "--grayscale",
    "--colour": "--color",
    "--rungs": "--architectures",
    "--to-the-end": "--no-pruning",
    "--every": "--frame-stride",
    "--robustness-pictures": "--robustness-images",
    "--hold": "--include-layer",
    "--maximise": "--maximize",
    "--like": "--similar-to",
    "--most": "--max-images",
    "--neighbours": "--neighbors",
    "--suspects": "--label-issues",
    "--max-weights": "--max-parameters",
}
"""Earlier name of an option → its name."""

GC_THRESHOLD = 50_000
"""After how many new objects garbage is collected; Python's own number is 700."""

EXAMPLE_COMMAND = "striate train digits"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, 1 (a check failed), 2 (bad input)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        _print_help()
        return 0
    if words[0] in ("-V", "--version"):
        from striate import __version__

        print(f"striate {__version__}")  # noqa: T201
        return 0
    verb, *rest = words
    if verb in OLD_COMMANDS:
        print(f"striate {verb} is now called striate {OLD_COMMANDS[verb]}.", file=sys.stderr)  # noqa: T201
        verb = OLD_COMMANDS[verb]
    if verb not in COMMANDS:
        from striate.errors import find_nearest_name

        near = find_nearest_name(verb, COMMANDS)
        print(  # noqa: T201
            f"striate: there is no command {verb!r}." + (f" Try: striate {near}" if near else " Try: striate --help"),
            file=sys.stderr,
        )
        return 2
    from striate.cli.main import invoke_command

    return invoke_command(verb, COMMANDS[verb][0], [_rename_old_option(word) for word in rest])


def _rename_old_option(word: str) -> str:
    """Returns an argument under its present name, and prints that name if the argument is an option's earlier one."""
    name, equals, value = word.partition("=")
    if name not in OLD_OPTIONS:
        return word
    print(f"striate: {name} is now called {OLD_OPTIONS[name]}.", file=sys.stderr)  # noqa: T201
    return OLD_OPTIONS[name] + equals + value


def run() -> int:
    """Is `main` for a process of its own. Its garbage collector starts less often, since the imports make many objects
    that stay, and what is left at the end is not searched, which takes most of a second once TensorFlow is loaded.
    """
    if sys.argv[1:2] == ["train"]:  # other commands train several models, large ones after small ones
        claim_process()
    gc.set_threshold(GC_THRESHOLD)
    try:
        return main()
    finally:
        gc.freeze()


def _print_help() -> None:
    width = max(map(len, COMMANDS)) + 2
    lines = [
        "Usage: striate COMMAND [OPTIONS] …",
        "",
        "From labeled images to a classifier you can trust, understand and ship.",
        "",
        "Commands:",
        *(f"  {verb:<{width}}{summary}" for verb, (_, summary) in COMMANDS.items()),
        "",
        f"First steps:  {EXAMPLE_COMMAND}",
        "Options of a command:  striate COMMAND --help",
    ]
    print("\n".join(lines))  # noqa: T201
