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
def native_quiet() -> Iterator[None]:
    """Holds back warnings, and what native code prints on standard error; shows it after all if the block fails.

    TensorFlow 2.21 greets every process with half a dozen lines about oneDNN and absent CUDA drivers, and heeds
    TF_CPP_MIN_LOG_LEVEL no longer. The lines come from C++, so only the file descriptor itself can be turned. What
    other threads write by `sys.stderr` meanwhile, such as progress, is shown. Warnings are one state for all threads:
    in a thread beside the main one they are left as they are.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    is_main = threading.current_thread() is threading.main_thread()
    with tempfile.TemporaryFile() as held, contextlib.ExitStack() as context:
        sys.stderr.flush()
        if not is_main and _is_descriptor(sys.stderr, 2):
            shown = context.enter_context(open(kept, "w", encoding="utf-8", buffering=1, closefd=False))
            context.enter_context(contextlib.redirect_stderr(shown))
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


def _is_descriptor(stream: Any, number: int) -> bool:
    """Returns whether a stream writes to this file descriptor."""
    try:
        return bool(stream.fileno() == number)
    except (OSError, ValueError, AttributeError):  # a stream in memory, or closed
        return False
