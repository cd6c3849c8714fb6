"""A bulk prediction's folder: what is to be answered, what is answered already, and the predictions.

    part-000000.parquet …   answers in order, each part whole or absent
    _summary.json           how many there are, and the parts' checksums, written last; the folder then is finished
    _plan.parquet           the pieces, listed once
    _classifier.onnx        what answers them

A folder of Parquet is what pandas, DuckDB, Spark and Hugging Face's datasets read as one table; names that begin with
an underscore are no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.errors import DataError, StriateError
from striate.inference.batch.work_items import WorkItem
from striate.system.atomic_files import compute_sha256, read_json, remove_partial_files, write_atomically, write_json

if TYPE_CHECKING:
    import pyarrow as pa

FORMER_SUMMARY_KEYS = {
    "image_count": "pictures", "label_count": "answered", "abstention_count": "unsure", "error_count": "broken",
    "part_count": "parts",
}  # fmt: skip
"""Field of BatchSummary → its key in summaries of format 1."""

PLAN_FILE, CLASSIFIER_FILE, SUMMARY_FILE = "_plan.parquet", "_classifier.onnx", "_summary.json"
JOB_FORMAT = 2
MIN_ITEMS_PER_PART = 16  # pieces of a part
MAX_PARTS = 2000  # at most about so many parts: of more images they are larger


@dataclass(frozen=True)
class BatchSummary:
    """What a finished folder of predictions holds.

    Attributes:
        image_count: rows.
        label_count: of them with a class.
        abstention_count: of them without one, since the confidence is too low.
        error_count: of them that could not be read or decoded.
        part_count: files.
    """

    image_count: int
    label_count: int
    abstention_count: int
    error_count: int
    part_count: int


class BatchJob:
    """Answers on their way into a folder.

    Args:
        folder: theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items: list[WorkItem] = []
        self.items_per_part = MIN_ITEMS_PER_PART

    @property
    def classifier_path(self) -> Path:
        """The ONNX file that answers."""
        return self.folder / CLASSIFIER_FILE

    def start(self, items: list[WorkItem], settings: dict[str, Any]) -> None:
        """Lists the pieces; `settings` is what another attempt must agree with. The classifier is there already."""
        self.items = items
        self.items_per_part = max(MIN_ITEMS_PER_PART, -(-len(items) // MAX_PARTS))
        whole = {
            **settings,
            "format": JOB_FORMAT,
            "items_per_part": self.items_per_part,
            "classifier": compute_sha256(self.classifier_path),
        }
        _save_plan(self.folder / PLAN_FILE, items, whole)

    def resume(self, settings: dict[str, Any]) -> None:
        """Finds the pieces of an earlier attempt.

        Raises:
            DataError: there is none, it is finished, or it was asked something else.
        """
        if (self.folder / SUMMARY_FILE).is_file():
            raise DataError("These predictions are finished already, nothing is left to resume", received=self.folder)
        if not (self.folder / PLAN_FILE).is_file():
            raise DataError("There is nothing to resume", received=self.folder, expected="unfinished answers")
        remove_partial_files(self.folder)
        self.items, before = _load_plan(self.folder / PLAN_FILE)
        self.items_per_part = int(before["items_per_part"])
        if not self.classifier_path.is_file() or compute_sha256(self.classifier_path) != before["classifier"]:
            raise DataError("The classifier of these predictions is damaged or gone", received=self.classifier_path)
        for name, value in settings.items():
            if before.get(name) != value:
                raise DataError(
                    f"These predictions were begun with another {name}", received=value, expected=before.get(name)
                )

    def list_pending(self) -> list[WorkItem]:
        """Returns the pieces that no part holds, in order."""
        return [
            piece
            for number in range(self.part_count)
            if not self._get_part_path(number).is_file()
            for piece in self._get_part_items(number)
        ]

    @property
    def part_count(self) -> int:
        """How many parts there will be."""
        return -(-len(self.items) // self.items_per_part)

    def _get_part_items(self, number: int) -> list[WorkItem]:
        return self.items[number * self.items_per_part : (number + 1) * self.items_per_part]

    def _get_part_path(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.parquet"

    def write_results(self, results: Iterable[tuple[WorkItem, pa.Table]]) -> Iterator[WorkItem]:
        """Writes the predictions as they come, in whatever order, and yields the piece that each is of. Every part is
        written when its last piece has come.
        """
        import pyarrow as pa

        held: dict[int, dict[int, Any]] = {}
        for piece, table in results:
            if piece.image_count is not None and table.num_rows != piece.image_count:
                raise StriateError("A piece's answers are not as many as its images", received=piece.locations[0])
            number = piece.number // self.items_per_part
            mine = held.setdefault(number, {})
            mine[piece.number] = table
            if len(mine) == len(self._get_part_items(number)):
                _write_parquet(self._get_part_path(number), pa.concat_tables([mine[at] for at in sorted(mine)]))
                del held[number]
            yield piece

    def finish(self) -> BatchSummary:
        """Counts the predictions, and seals the folder."""
        import pyarrow.parquet as pq

        rows = abstained = broken = 0
        for number in range(self.part_count):
            table = pq.read_table(self._get_part_path(number), columns=["abstained", "error"])
            rows += table.num_rows
            abstained += int(np.sum(table.column("abstained").to_numpy()))
            broken += table.num_rows - table.column("error").null_count
        found = BatchSummary(rows, rows - abstained - broken, abstained, broken, self.part_count)
        names = [CLASSIFIER_FILE, *(self._get_part_path(number).name for number in range(self.part_count))]
        sums = {name: compute_sha256(self.folder / name) for name in names}
        write_json(self.folder / SUMMARY_FILE, {"format": JOB_FORMAT, **vars(found), "sha256": sums})
        (self.folder / PLAN_FILE).unlink()
        return found


def load_summary(folder: Path) -> BatchSummary:
    """Returns what a finished folder holds.

    Raises:
        RunError: it is not finished.
    """
    found = read_json(folder / SUMMARY_FILE, "The summary of the predictions")
    former = FORMER_SUMMARY_KEYS if found["format"] == 1 else {}
    return BatchSummary(**{name: int(found[former.get(name, name)]) for name in BatchSummary.__dataclass_fields__})


def _write_parquet(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


PLAN_COLUMNS = ("kind", "locations", "row_group", "first_row", "stop", "size_estimate")


def _save_plan(path: Path, items: list[WorkItem], settings: dict[str, Any]) -> None:
    import pyarrow as pa

    columns = {name: [getattr(piece, name) for piece in items] for name in PLAN_COLUMNS}
    kinds = {"kind": pa.string(), "locations": pa.list_(pa.string()), "stop": pa.int64()}
    fields = [pa.field(name, kinds.get(name, pa.int64())) for name in PLAN_COLUMNS]
    table = pa.table(columns, schema=pa.schema(fields, metadata={b"striate": json.dumps(settings).encode()}))
    _write_parquet(path, table)


def _load_plan(path: Path) -> tuple[list[WorkItem], dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        about: dict[str, Any] = json.loads(table.schema.metadata[b"striate"])
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"The plan of these predictions is damaged: {error}", received=path) from None
    if about["format"] != JOB_FORMAT:
        age = "newer" if about["format"] > JOB_FORMAT else "older"
        raise DataError(
            f"These predictions were started by a {age} Striate and cannot be resumed",
            received=f"{path}: format {about['format']}",
            expected=f"format {JOB_FORMAT}",
            hint="start again in another folder, or resume with the version that started them",
        )
    return [WorkItem(number, **{**row, "locations": tuple(row["locations"])}) for number, row in enumerate(rows)], about
