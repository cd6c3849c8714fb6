"""A process that does nothing but decode, so that a picture which brings a decoder down brings only this down:

python -m striate.serving.decoder MEMORY     questions on standard input, answers on standard output; see wire
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from functools import cache

from striate.config import from_json
from striate.images.ahead import decoded_or_why
from striate.images.opening import load_formats
from striate.images.pixels import Preprocessing
from striate.serving import wire


@cache
def _form(text: bytes) -> Preprocessing:
    return from_json(Preprocessing, text, "the server's question")


def main() -> None:
    """Answers until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    load_formats()
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a decoder prints is no answer
    while (question := wire.read_question(asked.read)) is not None:
        form, pictures = question
        decoded = []
        for picture in pictures:
            try:
                decoded.append(decoded_or_why(_form(form), picture))
            except MemoryError:
                decoded.append("it needs more memory than one picture may have")
        told.write(wire.answer(decoded))
        told.flush()


if __name__ == "__main__":
    main()
