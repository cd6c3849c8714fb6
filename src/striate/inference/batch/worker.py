"""From pieces to tables of predictions: reading, decoding and the model, in one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.classifier import Classifier
from striate.data.prefetch import DecodeResult, decode_or_error, map_in_order
from striate.data.preprocessing import Preprocessing
from striate.errors import ImageDecodeError, to_printable
from striate.inference.batch.readers import ImageRecord, read_images
from striate.inference.batch.work_items import WorkItem

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE, KEY, LABEL, CONFIDENCE, ABSTAINED, ERROR, PROBABILITIES = COLUMNS = (
    *("source", "key", "label", "confidence", "abstained", "error"),
    "probabilities",
)
"""The columns of a table of predictions."""


def build_schema(classes: tuple[str, ...]) -> pa.Schema:
    """Returns the form of a table of predictions; `probabilities` follow the order of `classes`, which are its
    metadata.
    """
    import json

    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.string(), pa.float32(), pa.bool_(), pa.string())
    fields = [pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=False)]
    fractions = pa.field(PROBABILITIES, pa.list_(pa.float32(), len(classes)))
    return pa.schema([*fields, fractions], metadata={b"classes": json.dumps(classes).encode()})


class BatchPredictor:
    """Answers pieces with an exported classifier.

    Args:
        path: of its ONNX file.
        reject_below: confidence below which it abstains; None for its own.
        threads: of the processor; None for all.
    """

    def __init__(self, path: Path, reject_below: float | None = None, threads: int | None = None) -> None:
        self.classifier = Classifier.load(path, threads=threads)
        self.threshold = self.classifier.reject_below if reject_below is None else reject_below
        self.threads = threads or os.cpu_count()
        self.schema = build_schema(self.classifier.classes)

    def __call__(self, item: WorkItem) -> pa.Table:
        """Returns the predictions for a piece: one row an image, in order."""
        with ThreadPoolExecutor(self.threads) as pool:
            return self.predict_table(list(self.decode_item(item, pool)))

    def decode_item(self, item: WorkItem, pool: Executor) -> Iterator[tuple[ImageRecord, DecodeResult]]:
        """Yields a piece's images, decoded by a pool while the next are being read."""
        preprocessing = self.classifier.preprocessing
        chunks = _prefetch_chunks(read_images(item))
        for chunk in chunks:
            jobs = [pool.submit(_decode_record, preprocessing, one) for one in chunk]
            for one, job in zip(chunk, jobs, strict=True):
                yield one, job.result()

    def predict_table(self, images: list[tuple[ImageRecord, DecodeResult]]) -> pa.Table:
        """Returns the predictions for decoded images."""
        import pyarrow as pa

        classes = np.array(self.classifier.classes, object)
        whole = [at for at, (_, pixels) in enumerate(images) if not isinstance(pixels, str)]
        fractions = np.zeros((len(images), len(classes)), np.float32)
        if whole:
            stacked = np.stack([pixels for _, pixels in images if not isinstance(pixels, str)])
            fractions[whole] = self.classifier.predict_probabilities(stacked)
        is_broken = np.ones(len(images), bool)
        is_broken[whole] = False
        confidence = fractions.max(axis=1)
        is_abstention = ~is_broken & (confidence < self.threshold)
        flat = pa.array(fractions.reshape(-1), pa.float32())
        columns: dict[str, Any] = {
            SOURCE: [to_printable(one.source) for one, _ in images],
            KEY: [None if one.key is None else to_printable(one.key) for one, _ in images],
            LABEL: pa.array(classes[fractions.argmax(axis=1)], pa.string(), mask=is_broken | is_abstention),
            CONFIDENCE: pa.array(confidence, pa.float32(), mask=is_broken),
            ABSTAINED: is_abstention,
            ERROR: [pixels if isinstance(pixels, str) else None for _, pixels in images],
            PROBABILITIES: pa.FixedSizeListArray.from_arrays(flat, len(classes), mask=pa.array(is_broken)),
        }
        return pa.table(columns, schema=self.schema)


def build_failure_table(item: WorkItem, reason: str, table_schema: pa.Schema) -> pa.Table:
    """Returns what stands in the place of predictions for the one image of a piece that no process survives."""
    import pyarrow as pa

    place = item.locations[item.start] if item.kind == "files" else f"{item.locations[0]}#{item.first_row + item.start}"
    row: dict[str, Any] = {**dict.fromkeys(COLUMNS), SOURCE: to_printable(place), ABSTAINED: False, ERROR: reason}
    return pa.Table.from_pylist([row], schema=table_schema)


def _decode_record(preprocessing: Preprocessing, record: ImageRecord) -> DecodeResult:
    if isinstance(record.image, ImageDecodeError):
        return record.image.problem
    return decode_or_error(preprocessing, record.image)


def _prefetch_chunks(chunks: Iterator[list[ImageRecord]]) -> Iterator[list[ImageRecord]]:
    """Yields the chunks while the next one is being read, in a thread of its own."""
    with ThreadPoolExecutor(1, "striate-read") as pool:
        for chunk in map_in_order(pool, lambda _: next(chunks, None), iter(int, 1), 2):
            if chunk is None:
                return
            yield chunk


PREFETCH_ITEMS = 2  # pieces


def predict_locally(
    path: Path, reject_below: float | None, items: Iterable[WorkItem], should_stop: Callable[[], bool]
) -> Iterator[tuple[WorkItem, pa.Table]]:
    """Yields each piece with its predictions, in order, until it is asked to stop.

    Args:
        path: of the classifier's ONNX file.
        reject_below: see Answerer.
        items: to be answered.
        should_stop: whether no further piece is to be begun.
    """
    answerer = BatchPredictor(path, reject_below)
    kept = list(items)
    with ThreadPoolExecutor(PREFETCH_ITEMS) as readers, ThreadPoolExecutor(answerer.threads) as decoders:
        work = map_in_order(
            readers,
            lambda at: list(answerer.decode_item(kept[at], decoders)),
            takewhile(lambda _: not should_stop(), range(len(kept))),
            PREFETCH_ITEMS,
        )
        for piece, images in zip(kept, work, strict=False):
            yield piece, answerer.predict_table(images)
