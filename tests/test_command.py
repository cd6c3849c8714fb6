"""One small real training by the command, in a process of its own: what `make test-fast` knows of a backend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.fast(trains=True)
def test_the_command_trains_a_small_model_and_finishes_its_run(tmp_path: Path) -> None:
    words = ("digits", "--arch", "mlp", "--epochs", "2", "--precision", "float32", "--name", "small", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "striate", "train", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["epochs"] == 2 and result["test"]["n"] == 359
    assert result["test"]["accuracy"] > 0.5
    run = tmp_path / "runs" / "small"
    assert json.loads((run / "report.json").read_text())["accuracy"] == result["test"]["accuracy"]
    assert (run / "SHA256SUMS").is_file() and (run / "report.html").is_file()
