"""Whole commands, timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Returns the seconds that a command takes, and the JSON document it prints last; ends with what it said if it
    fails.
    """
    began = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began, json.loads(done.stdout[done.stdout.index("{") :])
