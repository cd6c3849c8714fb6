"""Pieces answered on a cluster, by Ray Data with a pool of actors, each of which holds the model in ONNX Runtime.

Ray has a piece answered again when an actor or its computer dies, as often as it takes. An image that kills whoever
decodes it would be tried for ever: so it is counted how often a piece was begun; one that was lost several times is
split for another round, and what is left at last is the image itself, which is told to be broken.

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

from striate.cluster.connection import Cluster, create_driver_actor
from striate.errors import ClusterError, StriateError
from striate.inference.batch.work_items import WorkItem
from striate.inference.batch.worker import BatchPredictor, build_failure_table, build_schema
from striate.progress import Progress
from striate.system.object_store import is_object_store_url

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ATTEMPTS = 3  # times that a piece is begun, after which it is left for the next round
PARTS_PER_SPLIT = 16  # parts of it for that
ATTEMPTS_EXHAUSTED = "lost"
MAX_ITEMS_SUBMITTED = 8192  # pieces handed to Ray at once
MAX_TASKS_IN_FLIGHT = 2  # pieces an actor has before it


class AttemptCounter:
    """Counts how often pieces were begun; stands on the computer that the work is sent from."""

    def __init__(self) -> None:
        self.attempts: dict[tuple[int, int, int | None], int] = {}

    def count_attempt(self, item_key: tuple[int, int, int | None]) -> int:
        """Returns how often a piece was begun, this time included; it is known by number, start and stop."""
        self.attempts[item_key] = self.attempts.get(item_key, 0) + 1
        return self.attempts[item_key]


class PredictorActor:
    """An Answerer in a process of its own.

    Args:
        attempt_counter: told of each piece.
        onnx_refs: the classifier's ONNX file, its bytes in the object store.
        reject_below: see Answerer.
        probe_file: a file that every computer must see, with its size, where the images lie in files.
    """

    def __init__(
        self, attempt_counter: Any, onnx_refs: Any, reject_below: float | None, probe_file: tuple[str, int] | None
    ) -> None:
        self.attempt_counter = attempt_counter
        if probe_file is not None and not _has_file(*probe_file):
            raise ClusterError(FILES_NOT_VISIBLE.format(ray.util.get_node_ip_address()), received=probe_file[0])
        with tempfile.TemporaryDirectory(prefix="striate-") as folder:
            path = Path(folder) / "classifier.onnx"
            path.write_bytes(ray.get(onnx_refs[0]))
            self.predictor = BatchPredictor(path, reject_below, threads=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the predictions for one piece, as the bytes of an Arrow stream; or what went wrong that is not a
        image's fault.
        """
        import pyarrow as pa

        (text,) = batch["piece"]
        piece = _parse_item(text)
        if ray.get(self.attempt_counter.count_attempt.remote((piece.number, piece.start, piece.stop))) > MAX_ATTEMPTS:
            return {"piece": [text], "answers": [b""], "problem": [ATTEMPTS_EXHAUSTED]}
        held, problem = pa.BufferOutputStream(), ""
        try:
            table = self.predictor(piece)
            with pa.ipc.new_stream(held, table.schema) as out:
                out.write_table(table)
        except StriateError as error:
            problem = str(error)
        except Exception as error:  # for which Ray would end the whole
            problem = f"{type(error).__name__}: {error}"
        return {"piece": [text], "answers": [held.getvalue().to_pybytes()], "problem": [problem]}


def _parse_item(text: str) -> WorkItem:
    found = json.loads(text)
    return WorkItem(**{**found, "locations": tuple(found["locations"])})


FILES_NOT_VISIBLE = "The computer {} does not see the images, which lie in files"


def _has_file(path: str, size: int) -> bool:
    found = Path(path)
    return found.is_file() and found.stat().st_size == size


def predict_on_ray(
    cluster: Cluster,
    onnx_path: Path,
    reject_below: float | None,
    items: list[WorkItem],
    should_stop: Callable[[], bool],
    progress: Progress,
) -> Iterator[tuple[WorkItem, pa.Table]]:
    """Yields each piece with its predictions, in whatever order they come, until it is asked to stop.

    Args:
        cluster: that is connected to.
        onnx_path: of the classifier's ONNX file.
        reject_below: see Answerer.
        items: to be answered.
        should_stop: whether to end.
        progress: told what dies.

    Raises:
        ClusterError: a computer does not see the images, or the cluster is gone.
    """
    _silence_ray()
    model = ray.put(onnx_path.read_bytes())
    form = build_schema(BatchPredictor(onnx_path, threads=1).classifier.classes)
    ledger = create_driver_actor(AttemptCounter)
    make = (ledger, [model], reject_below, _find_probe_file(items) if cluster.node_count > 1 else None)
    for start in range(0, len(items), MAX_ITEMS_SUBMITTED):
        window = {piece.number: piece for piece in items[start : start + MAX_ITEMS_SUBMITTED]}
        for number, table in _predict_window(cluster, make, form, list(window.values()), should_stop, progress):
            yield window[number], table
        if should_stop():
            return


def _predict_window(
    cluster: Cluster,
    actor_arguments: tuple[Any, ...],
    table_schema: pa.Schema,
    items: list[WorkItem],
    should_stop: Callable[[], bool],
    progress: Progress,
) -> Iterator[tuple[int, pa.Table]]:
    """Yields the number of each piece and its predictions, in rounds of ever smaller parts of those that kill."""
    todo, gathered = items, {piece.number: _PartialResults() for piece in items}
    while todo:
        lost: list[WorkItem] = []
        for piece, table, problem in _run_round(cluster, actor_arguments, todo):
            if problem == ATTEMPTS_EXHAUSTED:
                lost.append(piece)
            elif problem:
                raise ClusterError(f"The images cannot be read: {problem}", hint="--resume, when they can")
            elif (done := gathered[piece.number].add(piece, table)) is not None:
                yield piece.number, done
            if should_stop():
                return
        todo = []
        for piece in lost:
            counted = piece if piece.image_count is not None else _count_images(piece)
            if (counted.image_count or 0) > 1:
                parts = counted.split(PARTS_PER_SPLIT)
                todo += parts
                gathered[piece.number].part_count += len(parts) - 1
            elif (
                done := gathered[piece.number].add(counted, build_failure_table(counted, CRASH_REASON, table_schema))
            ) is not None:
                yield piece.number, done
        if lost:
            progress.log(
                f"{len(lost)} piece{'s' * (len(lost) != 1)} of the work got lost {MAX_ATTEMPTS} times, with whoever "
                "was "
                "at it; smaller parts will tell why."
            )


CRASH_REASON = "whatever decodes it dies: damaged so that a decoder does not survive it, or too large for the memory"


class _PartialResults:
    """The predictions for the parts of one piece."""

    def __init__(self) -> None:
        self.part_count, self.tables = 1, dict[int, Any]()

    def add(self, part: WorkItem, table: pa.Table) -> pa.Table | None:
        """Returns the predictions for the whole piece, if this part was the last one missing."""
        import pyarrow as pa

        self.tables[part.start] = table
        if len(self.tables) < self.part_count:
            return None
        return pa.concat_tables([self.tables[start] for start in sorted(self.tables)])


def _run_round(
    cluster: Cluster, actor_arguments: tuple[Any, ...], items: list[WorkItem]
) -> Iterator[tuple[WorkItem, Any, str]]:
    """Yields what comes of the pieces: answers, or a problem."""
    import pyarrow as pa

    workers = max(1, min(cluster.cpu_count, len(items)))
    data = ray.data.from_items(
        [{"piece": json.dumps(asdict(piece))} for piece in items], override_num_blocks=len(items)
    ).map_batches(
        PredictorActor,
        fn_constructor_args=actor_arguments,
        batch_size=None,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=MAX_TASKS_IN_FLIGHT
        ),
    )
    try:
        for row in data.iter_rows():
            table = None
            if not row["problem"]:
                with pa.ipc.open_stream(row["answers"]) as stream:
                    table = stream.read_all()
            yield _parse_item(row["piece"]), table, row["problem"]
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ClusterError):
            raise cause from None
        raise ClusterError(
            f"The cluster is gone: {(str(error).splitlines() or [''])[0][:200]}", hint="--resume, when it is back"
        ) from None


def _count_images(item: WorkItem) -> WorkItem:
    """Returns the piece with the number of its images, which are read, and not decoded."""
    from striate.inference.batch.readers import read_images

    return replace(item, stop=sum(len(chunk) for chunk in read_images(item)))


def _find_probe_file(items: list[WorkItem]) -> tuple[str, int] | None:
    """Returns an image's file and its size, where images lie in files."""
    for piece in items:
        for place in piece.locations if piece.kind != "broken" else ():
            if not is_object_store_url(place) and Path(place).is_file():
                return str(Path(place).resolve()), Path(place).stat().st_size
    return None


def _silence_ray() -> None:
    """Has Ray Data keep its own bars and lines to itself."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
