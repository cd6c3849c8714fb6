"""A bulk prediction's folder: what is to be answered, what is answered already, and the answers.

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
from striate.inference.batch.work_items import Piece
from striate.system.atomic_files import read_json, sha256, sweep, write_json, writing

if TYPE_CHECKING:
    import pyarrow as pa

PLAN, CLASSIFIER, SUMMARY = "_plan.parquet", "_classifier.onnx", "_summary.json"
FORMAT = 1
PART = 16  # pieces of a part
PARTS = 2000  # at most about so many parts: of more pictures they are larger


@dataclass(frozen=True)
class Summary:
    """What a finished folder of answers holds.

    Attributes:
        pictures: rows.
        answered: of them with a class.
        unsure: of them without one, since the confidence is too low.
        broken: of them that could not be read or decoded.
        parts: files.
    """

    pictures: int
    answered: int
    unsure: int
    broken: int
    parts: int


class Job:
    """Answers on their way into a folder.

    Args:
        folder: theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pieces: list[Piece] = []
        self.per_part = PART

    @property
    def classifier(self) -> Path:
        """The ONNX file that answers."""
        return self.folder / CLASSIFIER

    def begin(self, pieces: list[Piece], about: dict[str, Any]) -> None:
        """Lists the pieces; `about` is what another attempt must agree with. The classifier is there already."""
        self.pieces = pieces
        self.per_part = max(PART, -(-len(pieces) // PARTS))
        whole = {**about, "format": FORMAT, "per_part": self.per_part, "classifier": sha256(self.classifier)}
        _save_plan(self.folder / PLAN, pieces, whole)

    def go_on(self, about: dict[str, Any]) -> None:
        """Finds the pieces of an earlier attempt.

        Raises:
            DataError: there is none, it is finished, or it was asked something else.
        """
        if (self.folder / SUMMARY).is_file():
            raise DataError("These answers are finished already, nothing is left to resume", received=self.folder)
        if not (self.folder / PLAN).is_file():
            raise DataError("There is nothing to go on with", received=self.folder, expected="unfinished answers")
        sweep(self.folder)
        self.pieces, before = _load_plan(self.folder / PLAN)
        self.per_part = int(before["per_part"])
        if not self.classifier.is_file() or sha256(self.classifier) != before["classifier"]:
            raise DataError("The classifier of these answers is damaged or gone", received=self.classifier)
        for name, value in about.items():
            if before.get(name) != value:
                raise DataError(
                    f"These answers were begun with another {name}", received=value, expected=before.get(name)
                )

    def left(self) -> list[Piece]:
        """Returns the pieces that no part holds, in order."""
        return [piece for number in range(self.parts) if not self._part(number).is_file() for piece in self._of(number)]

    @property
    def parts(self) -> int:
        """How many parts there will be."""
        return -(-len(self.pieces) // self.per_part)

    def _of(self, number: int) -> list[Piece]:
        return self.pieces[number * self.per_part : (number + 1) * self.per_part]

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.parquet"

    def take(self, answers: Iterable[tuple[Piece, pa.Table]]) -> Iterator[Piece]:
        """Writes the answers as they come, in whatever order, and yields the piece that each is of. Every part is
        written when its last piece has come.
        """
        import pyarrow as pa

        held: dict[int, dict[int, Any]] = {}
        for piece, table in answers:
            if piece.count is not None and table.num_rows != piece.count:
                raise StriateError("A piece's answers are not as many as its pictures", received=piece.places[0])
            number = piece.number // self.per_part
            mine = held.setdefault(number, {})
            mine[piece.number] = table
            if len(mine) == len(self._of(number)):
                _write(self._part(number), pa.concat_tables([mine[at] for at in sorted(mine)]))
                del held[number]
            yield piece

    def finish(self) -> Summary:
        """Counts the answers, and seals the folder."""
        import pyarrow.parquet as pq

        rows = unsure = broken = 0
        for number in range(self.parts):
            table = pq.read_table(self._part(number), columns=["unsure", "error"])
            rows += table.num_rows
            unsure += int(np.sum(table.column("unsure").to_numpy()))
            broken += table.num_rows - table.column("error").null_count
        found = Summary(rows, rows - unsure - broken, unsure, broken, self.parts)
        names = [CLASSIFIER, *(self._part(number).name for number in range(self.parts))]
        sums = {name: sha256(self.folder / name) for name in names}
        write_json(self.folder / SUMMARY, {"format": FORMAT, **vars(found), "sha256": sums})
        (self.folder / PLAN).unlink()
        return found


def finished(folder: Path) -> Summary:
    """Returns what a finished folder holds.

    Raises:
        RunError: it is not finished.
    """
    found = read_json(folder / SUMMARY, "The summary of the answers")
    return Summary(**{name: int(found[name]) for name in Summary.__dataclass_fields__})


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    with writing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


NAMES = ("kind", "places", "group", "row", "stop", "weight")


def _save_plan(path: Path, pieces: list[Piece], about: dict[str, Any]) -> None:
    import pyarrow as pa

    columns = {name: [getattr(piece, name) for piece in pieces] for name in NAMES}
    kinds = {"kind": pa.string(), "places": pa.list_(pa.string()), "stop": pa.int64()}
    fields = [pa.field(name, kinds.get(name, pa.int64())) for name in NAMES]
    table = pa.table(columns, schema=pa.schema(fields, metadata={b"striate": json.dumps(about).encode()}))
    _write(path, table)


def _load_plan(path: Path) -> tuple[list[Piece], dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        about: dict[str, Any] = json.loads(table.schema.metadata[b"striate"])
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"The plan of these answers is damaged: {error}", received=path) from None
    if about["format"] > FORMAT:
        raise DataError("These answers were begun by a newer Striate", received=path)
    return [Piece(number, **{**row, "places": tuple(row["places"])}) for number, row in enumerate(rows)], about
