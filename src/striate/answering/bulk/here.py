"""Pieces answered in this process: some are read and decoded while the network is at work on those before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from striate.answering.bulk.answerer import Answerer
from striate.answering.bulk.pieces import Piece
from striate.images.ahead import in_order

if TYPE_CHECKING:
    import pyarrow as pa

AHEAD = 2  # pieces


def answered_here(
    path: Path, reject_below: float | None, pieces: Iterable[Piece], is_stopped: Callable[[], bool]
) -> Iterator[tuple[Piece, pa.Table]]:
    """Yields each piece with its answers, in order, until it is asked to stop.

    Args:
        path: of the classifier's ONNX file.
        reject_below: see Answerer.
        pieces: to be answered.
        is_stopped: whether no further piece is to be begun.
    """
    answerer = Answerer(path, reject_below)
    kept = list(pieces)
    with ThreadPoolExecutor(AHEAD) as readers, ThreadPoolExecutor(answerer.threads) as decoders:
        work = in_order(
            readers,
            lambda at: list(answerer.decoded(kept[at], decoders)),
            takewhile(lambda _: not is_stopped(), range(len(kept))),
            AHEAD,
        )
        for piece, pictures in zip(kept, work, strict=False):
            yield piece, answerer.table(pictures)
