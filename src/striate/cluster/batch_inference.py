"""Pieces answered on a cluster, by Ray Data with a pool of actors, each of which holds the network in ONNX Runtime.

Ray has a piece answered again when an actor or its computer dies, as often as it takes. A picture that kills whoever
decodes it would be tried for ever: so it is counted how often a piece was begun; one that was lost several times is
split for another round, and what is left at last is the picture itself, which is told to be broken.

This module imports Ray, and is imported when that is there.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from striate.cluster.connection import Cluster, beside_driver
from striate.errors import ClusterError, StriateError
from striate.inference.batch.work_items import Piece
from striate.inference.batch.worker import Answerer, gave_up, schema
from striate.progress import Progress
from striate.system.object_store import is_bucket

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 3  # times that a piece is begun, after which it is left for the next round
SPLIT = 16  # parts of it for that
LOST = "lost"
WINDOW = 8192  # pieces handed to Ray at once
IN_FLIGHT = 2  # pieces an actor has before it


class Ledger:
    """Counts how often pieces were begun; stands on the computer that the work is sent from."""

    def __init__(self) -> None:
        self.begun: dict[tuple[int, int, int | None], int] = {}

    def begin(self, piece: tuple[int, int, int | None]) -> int:
        """Returns how often a piece was begun, this time included; it is known by number, start and stop."""
        self.begun[piece] = self.begun.get(piece, 0) + 1
        return self.begun[piece]


class Actor:
    """An Answerer in a process of its own.

    Args:
        ledger: told of each piece.
        network: the classifier's ONNX file, its bytes in the object store.
        reject_below: see Answerer.
        witness: a file that every computer must see, with its size, where the pictures lie in files.
    """

    def __init__(self, ledger: Any, network: Any, reject_below: float | None, witness: tuple[str, int] | None) -> None:
        self.ledger = ledger
        if witness is not None and not _sees(*witness):
            raise ClusterError(UNSEEN.format(ray.util.get_node_ip_address()), received=witness[0])
        with tempfile.TemporaryDirectory(prefix="striate-") as folder:
            path = Path(folder) / "classifier.onnx"
            path.write_bytes(ray.get(network[0]))
            self.answerer = Answerer(path, reject_below, threads=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the answers for one piece, as the bytes of an Arrow stream; or what went wrong that is not a
        picture's fault.
        """
        import pyarrow as pa

        (text,) = batch["piece"]
        piece = _read(text)
        if ray.get(self.ledger.begin.remote((piece.number, piece.start, piece.stop))) > ATTEMPTS:
            return {"piece": [text], "answers": [b""], "problem": [LOST]}
        held, problem = pa.BufferOutputStream(), ""
        try:
            table = self.answerer(piece)
            with pa.ipc.new_stream(held, table.schema) as out:
                out.write_table(table)
        except StriateError as error:
            problem = str(error)
        except Exception as error:  # for which Ray would end the whole
            problem = f"{type(error).__name__}: {error}"
        return {"piece": [text], "answers": [held.getvalue().to_pybytes()], "problem": [problem]}


def _read(text: str) -> Piece:
    found = json.loads(text)
    return Piece(**{**found, "places": tuple(found["places"])})


UNSEEN = "The computer {} does not see the pictures, which lie in files"


def _sees(path: str, size: int) -> bool:
    found = Path(path)
    return found.is_file() and found.stat().st_size == size


def answered_on(
    cluster: Cluster,
    path: Path,
    reject_below: float | None,
    pieces: list[Piece],
    is_stopped: Callable[[], bool],
    progress: Progress,
) -> Iterator[tuple[Piece, pa.Table]]:
    """Yields each piece with its answers, in whatever order they come, until it is asked to stop.

    Args:
        cluster: that is connected to.
        path: of the classifier's ONNX file.
        reject_below: see Answerer.
        pieces: to be answered.
        is_stopped: whether to end.
        progress: told what dies.

    Raises:
        ClusterError: a computer does not see the pictures, or the cluster is gone.
    """
    _quiet()
    network = ray.put(path.read_bytes())
    form = schema(Answerer(path, threads=1).classifier.classes)
    ledger = beside_driver(Ledger)
    make = (ledger, [network], reject_below, _witness(pieces) if cluster.nodes > 1 else None)
    for start in range(0, len(pieces), WINDOW):
        window = {piece.number: piece for piece in pieces[start : start + WINDOW]}
        for number, table in _window(cluster, make, form, list(window.values()), is_stopped, progress):
            yield window[number], table
        if is_stopped():
            return


def _window(
    cluster: Cluster,
    make: tuple[Any, ...],
    form: pa.Schema,
    whole: list[Piece],
    is_stopped: Callable[[], bool],
    progress: Progress,
) -> Iterator[tuple[int, pa.Table]]:
    """Yields the number of each piece and its answers, in rounds of ever smaller parts of those that kill."""
    todo, gathered = whole, {piece.number: _Gathered() for piece in whole}
    while todo:
        lost: list[Piece] = []
        for piece, table, problem in _round(cluster, make, todo):
            if problem == LOST:
                lost.append(piece)
            elif problem:
                raise ClusterError(f"The pictures cannot be read: {problem}", hint="--resume, when they can")
            elif (done := gathered[piece.number].add(piece, table)) is not None:
                yield piece.number, done
            if is_stopped():
                return
        todo = []
        for piece in lost:
            counted = piece if piece.count is not None else _counted(piece)
            if (counted.count or 0) > 1:
                parts = counted.split(SPLIT)
                todo += parts
                gathered[piece.number].parts += len(parts) - 1
            elif (done := gathered[piece.number].add(counted, gave_up(counted, DEADLY, form))) is not None:
                yield piece.number, done
        if lost:
            progress.say(
                f"{len(lost)} piece{'s' * (len(lost) != 1)} of the work got lost {ATTEMPTS} times, with whoever was at "
                "it; smaller parts will tell why."
            )


DEADLY = "whatever decodes it dies: damaged so that a decoder does not survive it, or too large for the memory"


class _Gathered:
    """The answers for the parts of one piece."""

    def __init__(self) -> None:
        self.parts, self.found = 1, dict[int, Any]()

    def add(self, piece: Piece, table: pa.Table) -> pa.Table | None:
        """Returns the answers for the whole piece, if this part was the last one missing."""
        import pyarrow as pa

        self.found[piece.start] = table
        if len(self.found) < self.parts:
            return None
        return pa.concat_tables([self.found[start] for start in sorted(self.found)])


def _round(cluster: Cluster, make: tuple[Any, ...], todo: list[Piece]) -> Iterator[tuple[Piece, Any, str]]:
    """Yields what comes of the pieces: answers, or a problem."""
    import pyarrow as pa

    workers = max(1, min(cluster.cpus, len(todo)))
    data = ray.data.from_items(
        [{"piece": json.dumps(asdict(piece))} for piece in todo], override_num_blocks=len(todo)
    ).map_batches(
        Actor,
        fn_constructor_args=make,
        batch_size=None,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=IN_FLIGHT
        ),
    )
    try:
        for row in data.iter_rows():
            table = None
            if not row["problem"]:
                with pa.ipc.open_stream(row["answers"]) as stream:
                    table = stream.read_all()
            yield _read(row["piece"]), table, row["problem"]
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ClusterError):
            raise cause from None
        raise ClusterError(
            f"The cluster is gone: {(str(error).splitlines() or [''])[0][:200]}", hint="--resume, when it is back"
        ) from None


def _counted(piece: Piece) -> Piece:
    """Returns the piece with the number of its pictures, which are read, and not decoded."""
    from striate.inference.batch.readers import read

    return replace(piece, stop=sum(len(chunk) for chunk in read(piece)))


def _witness(pieces: list[Piece]) -> tuple[str, int] | None:
    """Returns a picture's file and its size, where pictures lie in files."""
    for piece in pieces:
        for place in piece.places if piece.kind != "broken" else ():
            if not is_bucket(place) and Path(place).is_file():
                return str(Path(place).resolve()), Path(place).stat().st_size
    return None


def _quiet() -> None:
    """Has Ray Data keep its own bars and lines to itself."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
