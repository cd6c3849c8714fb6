"""From pieces to tables of answers: reading, decoding and the network, in one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.classifier import Classifier
from striate.data.prefetch import Decoded, decoded_or_why, in_order
from striate.data.preprocessing import Preprocessing
from striate.errors import PictureError, printable
from striate.inference.batch.readers import Read, read
from striate.inference.batch.work_items import Piece

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE, KEY, LABEL, CONFIDENCE, UNSURE, ERROR, SHARES = COLUMNS = (
    *("source", "key", "label", "confidence", "unsure", "error"),
    "probabilities",
)
"""The columns of a table of answers."""


def schema(classes: tuple[str, ...]) -> pa.Schema:
    """Returns the form of a table of answers; `probabilities` follow the order of `classes`, which are its metadata."""
    import json

    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.string(), pa.float32(), pa.bool_(), pa.string())
    fields = [pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=False)]
    shares = pa.field(SHARES, pa.list_(pa.float32(), len(classes)))
    return pa.schema([*fields, shares], metadata={b"classes": json.dumps(classes).encode()})


class Answerer:
    """Answers pieces with an exported classifier.

    Args:
        path: of its ONNX file.
        reject_below: confidence below which it is unsure; None for its own.
        threads: of the processor; None for all.
    """

    def __init__(self, path: Path, reject_below: float | None = None, threads: int | None = None) -> None:
        self.classifier = Classifier.load(path, threads=threads)
        self.limit = self.classifier.reject_below if reject_below is None else reject_below
        self.threads = threads or os.cpu_count()
        self.schema = schema(self.classifier.classes)

    def __call__(self, piece: Piece) -> pa.Table:
        """Returns the answers for a piece: one row a picture, in order."""
        with ThreadPoolExecutor(self.threads) as pool:
            return self.table(list(self.decoded(piece, pool)))

    def decoded(self, piece: Piece, pool: Executor) -> Iterator[tuple[Read, Decoded]]:
        """Yields a piece's pictures, decoded by a pool while the next are being read."""
        preprocessing = self.classifier.preprocessing
        chunks = _ahead(read(piece))
        for chunk in chunks:
            jobs = [pool.submit(_decoded, preprocessing, one) for one in chunk]
            for one, job in zip(chunk, jobs, strict=True):
                yield one, job.result()

    def table(self, pictures: list[tuple[Read, Decoded]]) -> pa.Table:
        """Returns the answers for decoded pictures."""
        import pyarrow as pa

        classes = np.array(self.classifier.classes, object)
        whole = [at for at, (_, pixels) in enumerate(pictures) if not isinstance(pixels, str)]
        shares = np.zeros((len(pictures), len(classes)), np.float32)
        if whole:
            stacked = np.stack([pixels for _, pixels in pictures if not isinstance(pixels, str)])
            shares[whole] = self.classifier.probabilities(stacked)
        is_broken = np.ones(len(pictures), bool)
        is_broken[whole] = False
        confidence = shares.max(axis=1)
        is_unsure = ~is_broken & (confidence < self.limit)
        flat = pa.array(shares.reshape(-1), pa.float32())
        columns: dict[str, Any] = {
            SOURCE: [printable(one.source) for one, _ in pictures],
            KEY: [None if one.key is None else printable(one.key) for one, _ in pictures],
            LABEL: pa.array(classes[shares.argmax(axis=1)], pa.string(), mask=is_broken | is_unsure),
            CONFIDENCE: pa.array(confidence, pa.float32(), mask=is_broken),
            UNSURE: is_unsure,
            ERROR: [pixels if isinstance(pixels, str) else None for _, pixels in pictures],
            SHARES: pa.FixedSizeListArray.from_arrays(flat, len(classes), mask=pa.array(is_broken)),
        }
        return pa.table(columns, schema=self.schema)


def gave_up(piece: Piece, reason: str, form: pa.Schema) -> pa.Table:
    """Returns what stands in the place of answers for the one picture of a piece that no process survives."""
    import pyarrow as pa

    place = piece.places[piece.start] if piece.kind == "files" else f"{piece.places[0]}#{piece.row + piece.start}"
    row: dict[str, Any] = {**dict.fromkeys(COLUMNS), SOURCE: printable(place), UNSURE: False, ERROR: reason}
    return pa.Table.from_pylist([row], schema=form)


def _decoded(preprocessing: Preprocessing, one: Read) -> Decoded:
    if isinstance(one.picture, PictureError):
        return one.picture.problem
    return decoded_or_why(preprocessing, one.picture)


def _ahead(chunks: Iterator[list[Read]]) -> Iterator[list[Read]]:
    """Yields the chunks while the next one is being read, in a thread of its own."""
    with ThreadPoolExecutor(1, "striate-read") as pool:
        for chunk in in_order(pool, lambda _: next(chunks, None), iter(int, 1), 2):
            if chunk is None:
                return
            yield chunk


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
