"""Pieces answered on a cluster, by Ray Data with a pool of actors, each of which holds the network in ONNX Runtime.

Ray answers a piece again when an actor or its computer dies. A picture that kills whoever decodes it would be tried for
ever: so a piece has few attempts, those that have no answer after a round are halved for the next one, and what is left
at last is the picture itself, which is told to be broken. This module imports Ray, and is imported when that is there.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from striate.answering.bulk.answerer import Answerer, gave_up, schema
from striate.answering.bulk.pieces import Piece
from striate.bucket import is_bucket
from striate.cluster import Cluster
from striate.errors import ClusterError, StriateError
from striate.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 2  # deaths of its actor after which a piece is left for the next round
ROUNDS_ALONE = 2  # rounds in which a single picture kills, after which it is broken
WINDOW = 8192  # pieces handed to Ray at once
IN_FLIGHT = 2  # pieces an actor has before it


class Actor:
    """An Answerer in a process of its own.

    Args:
        network: the classifier's ONNX file, its bytes in the object store.
        reject_below: see Answerer.
        witness: a file that every computer must see, with its size, where the pictures lie in files.
    """

    def __init__(self, network: Any, reject_below: float | None, witness: tuple[str, int] | None) -> None:
        if witness is not None and not _sees(*witness):
            raise ClusterError(UNSEEN.format(ray.util.get_node_ip_address()), received=witness[0])
        with tempfile.TemporaryDirectory(prefix="striate-") as folder:
            path = Path(folder) / "classifier.onnx"
            path.write_bytes(ray.get(network[0]))
            self.answerer = Answerer(path, reject_below, threads=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the answers for one piece, as the bytes of an Arrow stream; or why there are none."""
        import pyarrow as pa

        piece: Piece = batch["item"][0]["piece"]
        held = pa.BufferOutputStream()
        try:
            table = self.answerer(piece)
        except StriateError as error:  # the store is gone: not the picture's fault, another round may find it again
            return {"item": [{"piece": piece, "answers": b"", "problem": str(error)}]}
        with pa.ipc.new_stream(held, table.schema) as out:
            out.write_table(table)
        return {"item": [{"piece": piece, "answers": held.getvalue().to_pybytes(), "problem": ""}]}


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
    make = (network, reject_below, _witness(pieces) if cluster.nodes > 1 else None)
    for start in range(0, len(pieces), WINDOW):
        window = {piece.number: piece for piece in pieces[start : start + WINDOW]}
        for number, table in _window(cluster, make, form, list(window.values()), is_stopped, progress):
            yield window[number], table
        if is_stopped():
            return


def _window(
    cluster: Cluster,
    make: tuple[Any, float | None, tuple[str, int] | None],
    form: pa.Schema,
    whole: list[Piece],
    is_stopped: Callable[[], bool],
    progress: Progress,
) -> Iterator[tuple[int, pa.Table]]:
    """Answers some pieces, in rounds of ever smaller parts of those that kill."""
    import pyarrow as pa

    todo, found, expected = list(whole), dict[tuple[int, int], Any](), {piece.number: 1 for piece in whole}
    alone: dict[tuple[int, int], int] = {}
    while todo and not is_stopped():
        left = {(piece.number, piece.start): piece for piece in todo}
        problem = ""
        for piece, table, said in _round(cluster, make, todo):
            problem = said or problem
            if table is None:
                continue
            del left[piece.number, piece.start]
            found[piece.number, piece.start] = table
            mine = sorted(key for key in found if key[0] == piece.number) if expected[piece.number] > 1 else None
            if mine is None or len(mine) == expected[piece.number]:
                keys = mine or [(piece.number, piece.start)]
                yield piece.number, pa.concat_tables([found.pop(key) for key in keys])
            if is_stopped():
                return
        if problem:
            raise ClusterError(f"The pictures cannot be read: {problem}", hint="--resume, when they can")
        todo = []
        for key, piece in left.items():
            counted = piece if piece.count is not None else _counted(piece)
            if (counted.count or 0) > 1:
                todo += counted.halves()
                expected[piece.number] += 1
                continue
            alone[key] = alone.get(key, 0) + 1
            if alone[key] < ROUNDS_ALONE:
                todo.append(counted)
                continue
            reason = "whatever decodes it dies (a damaged picture that a decoder does not survive, or too large a one)"
            found[key] = gave_up(counted, reason, form)
            mine = sorted(one for one in found if one[0] == piece.number)
            if len(mine) == expected[piece.number]:
                yield piece.number, pa.concat_tables([found.pop(one) for one in mine])
        if todo:
            progress.say(f"{len(left)} pieces were lost with whoever was at work on them; they are tried again.")


def _round(
    cluster: Cluster, make: tuple[Any, float | None, tuple[str, int] | None], todo: list[Piece]
) -> Iterator[tuple[Piece, Any, str]]:
    """Yields what comes of the pieces: answers, or a problem. Those that kill yield nothing."""
    import pyarrow as pa

    network, reject_below, witness = make
    workers = max(1, min(cluster.cpus, len(todo)))
    data = ray.data.from_items([{"piece": piece} for piece in todo], override_num_blocks=len(todo))
    data = data.map_batches(
        Actor,
        fn_constructor_args=([network], reject_below, witness),
        batch_size=None,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=IN_FLIGHT),
        max_restarts=-1,
        max_task_retries=ATTEMPTS,
    )
    try:
        for row in data.iter_rows():
            item = row["item"]
            if item["problem"]:
                yield item["piece"], None, item["problem"]
                continue
            with pa.ipc.open_stream(item["answers"]) as stream:
                yield item["piece"], stream.read_all(), ""
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ClusterError):
            raise cause from None
        raise ClusterError(
            f"The cluster is gone: {(str(error).splitlines() or [''])[0][:200]}", hint="--resume, when it is back"
        ) from None


def _counted(piece: Piece) -> Piece:
    """Returns the piece with the number of its pictures, which are read, and not decoded."""
    from striate.answering.bulk.read import read

    return replace(piece, stop=sum(len(chunk) for chunk in read(piece)))


def _witness(pieces: list[Piece]) -> tuple[str, int] | None:
    """Returns a picture's file and its size, where pictures lie in files."""
    for piece in pieces:
        for place in piece.places if piece.kind != "broken" else ():
            if not is_bucket(place) and Path(place).is_file():
                return str(Path(place).resolve()), Path(place).stat().st_size
    return None


def _quiet() -> None:
    """Has Ray Data keep its own bars and lines to itself, and lets pieces fail that kill their actors."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    context.raise_original_map_exception = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
