"""What is printed on standard error while another thread imports a backend is shown, and the stream outlives it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BESIDE = """
import os, sys, threading
from striate.system.native_output import suppress_native_output
from striate.progress import LineProgress

lines, is_quiet, may_end = LineProgress(is_stderr=True), threading.Event(), threading.Event()


def import_backend():
    with suppress_native_output():
        os.write(2, b"a greeting of native code\\n")
        is_quiet.set()
        may_end.wait()
        FAIL


before = sys.stderr
thread = threading.Thread(target=import_backend)
thread.start()
is_quiet.wait()
lines.log("said beside it")
print("printed beside it", file=sys.stderr)
found = sys.stderr
OTHERS
may_end.set()
thread.join()
AFTER
print("printed after it", file=sys.stderr)
"""


def _run(**parts: str) -> list[str]:
    """Returns the lines on standard error."""
    code = BESIDE
    for name, text in {"FAIL": "pass", "OTHERS": "", "AFTER": "", **parts}.items():
        code = code.replace(name, text)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_progress_is_shown_while_native_code_is_quiet_in_another_thread():
    lines = _run(AFTER="assert sys.stderr is before")
    assert lines == ["said beside it", "printed beside it", "printed after it"]


@pytest.mark.parametrize(
    ("others", "after"),
    [
        ("sys.stderr = bar = __import__('types').SimpleNamespace(write=found.write)", "sys.stderr = found"),
        ("", "sys.stderr = found"),
    ],
    ids=["a bar begun beside it and ended after it", "a stream kept and put back"],
)
def test_a_stream_found_beside_it_can_be_put_back_later(others, after):
    if others:
        after = f"assert sys.stderr is bar; {after}"
    assert _run(OTHERS=others, AFTER=after)[-1] == "printed after it"


def test_what_native_code_said_is_shown_after_all_where_it_failed():
    quiet = "raise SystemError('no device')"
    lines = _run(FAIL=quiet)
    assert "a greeting of native code" in lines
    assert lines[-1] == "printed after it"
