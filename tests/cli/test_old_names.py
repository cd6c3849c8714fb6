"""Earlier names of options work, and the present one is printed."""

from __future__ import annotations

import importlib

import click
import pytest

from striate.cli import COMMANDS, OLD_OPTIONS, main

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Returns the names of all options of all commands."""
    modules = [
        importlib.import_module(f"striate.cli.{module}") for module in {module for module, _ in COMMANDS.values()}
    ]
    commands = [one for module in modules for one in vars(module).values() if isinstance(one, click.Command)]
    return {
        name
        for command in commands
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("old", OLD_OPTIONS)
def test_an_old_option_stands_for_the_new_one(old: str, options: set[str]):
    assert OLD_OPTIONS[old] in options
    assert old not in options


@pytest.mark.parametrize("words", [["--max-weights", "62k"], ["--max-weights=62k"]])
def test_an_old_option_works_and_names_the_new_one(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["models", *words]) == 0
    shown = capsys.readouterr()
    assert "lenet" in shown.out and "resnet20" not in shown.out
    assert shown.err == "striate: --max-weights is now called --max-parameters.\n"
