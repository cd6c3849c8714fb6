"""What native code prints where Python cannot reach it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def suppress_native_output() -> Iterator[None]:
    """Holds back warnings, and what native code prints on standard error; shows it after all if the block fails.

    TensorFlow 2.21 greets every process with half a dozen lines about oneDNN and absent CUDA drivers, and heeds
    TF_CPP_MIN_LOG_LEVEL no longer. The lines come from C++, so only the file descriptor itself can be turned. What
    other threads write by `sys.stderr` meanwhile, such as progress, is shown: it is another stream for that long, and
    who kept the stream of before writes to what is held. Warnings are one state for all threads: in a thread beside
    the main one they are left as they are.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    is_main = threading.current_thread() is threading.main_thread()
    with tempfile.TemporaryFile() as held, contextlib.ExitStack() as context:
        sys.stderr.flush()
        if not is_main and _has_descriptor(sys.stderr, 2):
            context.enter_context(_preserve_stderr())
        os.dup2(held.fileno(), 2)
        try:
            with warnings.catch_warnings() if is_main else contextlib.nullcontext():
                if is_main:
                    warnings.simplefilter("ignore")  # deprecations inside the backends are not our users' business
                yield
        except Exception:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _preserve_stderr() -> Iterator[None]:
    """Has `sys.stderr` write where it writes now, whatever becomes of its file descriptor in the block.

    Another thread may put a stream of its own there meanwhile, as a progress bar does, and put back later what it
    found: so the stream of the block is never closed, and what is no longer in its place is not replaced.
    """
    before = sys.stderr
    encoding, errors = before.encoding or "utf-8", before.errors or "backslashreplace"
    shown = open(os.dup(2), "w", encoding=encoding, errors=errors, buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = shown
    try:
        yield
    finally:
        if sys.stderr is shown:
            sys.stderr = before


def _has_descriptor(stream: Any, descriptor: int) -> bool:
    """Returns whether a stream writes to this file descriptor."""
    try:
        return bool(stream.fileno() == descriptor)
    except (OSError, ValueError, AttributeError):  # a stream in memory, or closed
        return False
