"""--backend and --device count only before the backend is loaded, which every verb must leave for later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from striate.runs import Run

SPY = """
import sys
from striate.cli import main, options
def spy(backend, device):
    print("chosen", backend, device, "keras" in sys.modules)
    sys.stdout.flush()
    raise KeyboardInterrupt
options.choose_engine = spy
main(sys.argv[1:])
"""

VERBS = {
    "train": ("digits",),
    "ladder": ("digits",),
    "repeat": ("digits",),
    "learn-curve": ("digits",),
    "tune": ("digits",),
    "predict": ("RUN", "picture.png"),
    "evaluate": ("RUN",),
    "explain": ("RUN", "picture.png"),
    "units": ("RUN",),
    "map": ("RUN",),
    "tensorboard": ("RUN",),
    "serve": ("RUN",),
    "data": ("digits", "--suspects"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_engine_is_chosen_before_the_backend_is_loaded(verb: str, digits_run: Run, tmp_path: Path):
    words = [str(digits_run.path) if word == "RUN" else word for word in VERBS[verb]]
    done = subprocess.run(
        [sys.executable, "-c", SPY, verb, *words, "--backend", "jax", "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "chosen jax cpu False\n", done.stderr


def test_every_verb_that_takes_a_backend_is_in_the_list():
    import importlib

    from striate.cli import COMMANDS

    found = set()
    for verb, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"striate.cli.{module}"), verb.replace("-", "_"))
        if any(parameter.name == "backend" for parameter in command.params):
            found.add(verb)
    assert found - {"doctor"} == set(VERBS)
