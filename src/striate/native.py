"""What native code prints where Python cannot reach it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def native_quiet() -> Iterator[None]:
    """Holds back warnings, and what native code prints on standard error; shows it after all if the block fails.

    TensorFlow 2.21 greets every process with half a dozen lines about oneDNN and absent CUDA drivers, and heeds
    TF_CPP_MIN_LOG_LEVEL no longer. The lines come from C++, so only the file descriptor itself can be turned.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations inside the backends are not our users' business
                yield
        except Exception:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
