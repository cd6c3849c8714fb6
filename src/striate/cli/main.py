"""Runs a verb and turns every way it can end into a message and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

import click

from striate.errors import StriateError
from striate.system.backend_choice import refuse_shadows
from striate.system.signals import treat_sigterm_as_interrupt

EXIT_INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h


def invoke_command(command_name: str, module: str, arguments: Sequence[str]) -> int:
    """Returns the exit code of `striate VERB ARGUMENTS…`."""
    debug = "--debug" in arguments
    if not debug:
        warnings.simplefilter("ignore")
    try:
        if command_name != "doctor":  # which explains them all
            refuse_shadows()
        command: click.Command = getattr(
            importlib.import_module(f"striate.cli.{module}"), command_name.replace("-", "_")
        )
        with treat_sigterm_as_interrupt():
            result = command.main(list(arguments), prog_name=f"striate {command_name}", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except StriateError as error:
        return _report_failure(str(error), debug)
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        print("Stopped.", file=sys.stderr)  # noqa: T201
        return 130
    except SystemExit:  # click's answer when the reader of our output has gone, as `head` does
        return 0
    except BrokenPipeError:  # the same, met outside click
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # disk full, permission denied, …
        return _report_failure(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ") + ".", debug)
    except Exception as error:
        message = f"Striate stumbled over something it did not expect ({type(error).__name__}: {error})."
        _report_failure(message + " --debug shows where; please report it.", debug)
        return EXIT_INTERNAL_ERROR


def _report_failure(message: str, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"striate: {message}", file=sys.stderr)  # noqa: T201
    return 2
