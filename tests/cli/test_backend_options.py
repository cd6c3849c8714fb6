"""--backend and --device count only before the backend is loaded, which every verb must leave for later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from striate.runs.run import Run

SPY = """
import json, sys
from striate.cli import main, options
def spy(backend, device):
    print("chosen", backend, device, "keras" in sys.modules)
    raise KeyboardInterrupt
options.configure_backend = spy
for words in json.loads(sys.argv[1]):
    main([*words, "--backend", "jax", "--device", "cpu"])
"""

VERBS = {
    "train": ("digits",),
    "ladder": ("digits",),
    "repeat": ("digits",),
    "learning-curve": ("digits",),
    "tune": ("digits",),
    "predict": ("RUN", "picture.png"),
    "evaluate": ("RUN",),
    "explain": ("RUN", "picture.png"),
    "units": ("RUN",),
    "map": ("RUN",),
    "report": ("RUN",),
    "tensorboard": ("RUN",),
    "serve": ("RUN",),
    "data": ("digits", "--label-issues"),
}


def test_the_engine_is_chosen_before_the_backend_is_loaded(digits_run: Run, tmp_path: Path):
    """One process does it for every verb: a backend that one of them loads, the next ones would find."""
    words = [
        [verb, *(str(digits_run.path) if word == "RUN" else word for word in rest)] for verb, rest in VERBS.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", SPY, json.dumps(words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == ["chosen jax cpu False"] * len(VERBS), done.stderr


def test_every_verb_that_takes_a_backend_is_in_the_list():
    import importlib

    from striate.cli import COMMANDS

    found = set()
    for verb, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"striate.cli.{module}"), verb.replace("-", "_"))
        if any(parameter.name == "backend" for parameter in command.params):
            found.add(verb)
    assert found - {"doctor"} == set(VERBS)
