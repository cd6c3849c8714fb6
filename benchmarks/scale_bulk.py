"""Bulk prediction: a computer that is lost in the middle, and how fast it is beside one process and a bare pool."""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from evidence import spread
from scale_hosts import memory
from scale_stand import STRIATE, Stand, small, wait_for

from striate.inference.batch.work_items import WorkItem, list_work_items
from striate.inference.batch.worker import BatchPredictor
from striate.progress import NO_PROGRESS, Progress
from striate.workflows.predict import predict_all

LOST = 5000  # images of the row that loses a computer
ROUNDS = 5
FILL = """
import time, fsspec
store = fsspec.filesystem("s3")
for attempt in range(60):
    try:
        store.mkdir("bucket")
        break
    except Exception:
        time.sleep(0.5)
store.put({!r} + "/", "bucket/pictures/", recursive=True)
"""
"""Puts a folder's images into the bucket."""

GOAL = 0.9  # of one process' rate


def bulk(stand: Stand) -> dict[str, Any]:
    """Returns what came of 5,000 objects of a bucket, the second computer killed when it had worked for two seconds."""
    exported, images, hosts = stand.classifier("cnn", 128), stand.pictures(LOST), stand.hosts
    hosts.start_store()
    hosts.run([sys.executable, "-c", FILL.format(str(images))])
    words = [*STRIATE, "predict", exported, "s3://bucket/pictures/**"]
    here, there = stand.folder / "here", stand.folder / "there"
    began = time.perf_counter()
    hosts.run([*words, "--out", here, "-q"])
    alone = time.perf_counter() - began
    began = time.perf_counter()
    process = hosts.begin([*words, "--out", there, "--on", hosts.address, "--json"])
    wait_for(lambda: hosts.processes(1, "MapWorker"))
    time.sleep(2)
    was_at_work = process.poll() is None and not (there / "_summary.json").is_file()
    parts = len(list(there.glob("part-*")))
    hosts.lose_second()
    said, errors = process.communicate(timeout=300)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    found, expected = pq.read_table(there), pq.read_table(here)
    sources = found.column("source").to_pylist()
    rows = {
        "pictures": LOST,
        "computer_lost_while_at_work": was_at_work,
        "parts_then": parts,
        "answers": found.num_rows,
        "doubled": len(sources) - len(set(sources)),
        "missing": len(set(expected.column("source").to_pylist()) - set(sources)),
        "map_in_order": sources == expected.column("source").to_pylist(),
        "greatest_difference": float(np.abs(_shares(found) - _shares(expected)).max()),
        "same_labels": found.column("label").equals(expected.column("label")),
        "seconds": round(seconds, 1),
        "seconds_in_one_process": round(alone, 1),
    }
    whole = rows["answers"] == LOST and not rows["doubled"] and not rows["missing"] and rows["map_in_order"]
    same = rows["same_labels"] and rows["greatest_difference"] == 0
    counted = json.loads(said)["pictures"] == LOST
    return {**rows, "reached": bool(was_at_work and whole and same and counted)}


def throughput(stand: Stand) -> dict[str, Any]:
    """Returns images a second once warm, of one process with all processors, of two actors, and of a bare pool of two
    processes, in turn; and what the start of a cluster costs.
    """
    stand.hosts.end()  # their nodes would share the processors
    exported, images = stand.classifier("cnn", 64), stand.pictures(10_000)
    rates: dict[str, list[float]] = {"one_process": [], "two_actors": [], "bare_pool": []}
    starts: dict[str, list[float]] = {name: [] for name in rates}
    megabytes: list[float] = []
    for number in range(ROUNDS):
        for name, on in (("one_process", None), ("two_actors", "local")):
            clock = _Clock(megabytes if on else None)
            predict_all(exported, [images], stand.folder / f"{name}-{number}", on=on, progress=clock)
            rates[name].append(clock.rate)
            starts[name].append(clock.first)
        rate, start = _pool(exported, images)
        rates["bare_pool"].append(rate)
        starts["bare_pool"].append(start)
    ratios = [one / other for one, other in zip(rates["two_actors"], rates["one_process"], strict=True)]
    extra = [one - other for one, other in zip(starts["two_actors"], starts["one_process"], strict=True)]
    found: dict[str, Any] = {
        "pictures": 10_000,
        "pictures_a_second": {name: spread(values, 0) for name, values in rates.items()},
        "two_actors_to_one_process": spread(ratios),
        "two_actors_to_bare_pool": spread(
            [one / other for one, other in zip(rates["two_actors"], rates["bare_pool"], strict=True)]
        ),
        "seconds_to_the_first_answers": {name: spread(values, 2) for name, values in starts.items()},
        "seconds_more_with_a_cluster": spread(extra, 2),
        "megabytes_of_an_actor": spread(megabytes, 0),
        "pieces_a_second": spread([_handled() for _ in range(3)], 0),
        "goal": GOAL,
    }
    return {**found, "reached": found["two_actors_to_one_process"]["median"] >= GOAL}


def _handled() -> float:
    """Returns how many pieces a second the driver, Ray Data and two actors get through that have nothing to do."""
    from striate.cluster.batch_inference import predict_on_ray
    from striate.cluster.connection import connect_cluster

    nothing = [WorkItem(number, "broken", ("nowhere", "nothing")) for number in range(4000)]
    with tempfile.TemporaryDirectory() as folder, connect_cluster("local") as cluster:
        exported = small(Path(folder))
        marks = [
            time.perf_counter() for _ in predict_on_ray(cluster, exported, None, nothing, lambda: False, NO_PROGRESS)
        ]
    return (len(marks) - 1) / (marks[-1] - marks[0])


class _Clock(Progress):
    """Notes when answers come; the first and the last second of them are not warm."""

    def __init__(self, megabytes: list[float] | None) -> None:
        self.began, self.marks = time.perf_counter(), list[tuple[float, int]]()
        self.megabytes = megabytes

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Notes it."""
        self.marks.append((time.perf_counter(), count))
        if self.megabytes is not None and len(self.marks) == 20:
            self.megabytes += [memory(pid) for pid in _actors()]

    @property
    def first(self) -> float:
        """Seconds until the first predictions."""
        return self.marks[0][0] - self.began

    @property
    def rate(self) -> float:
        """Images a second between the first predictions and the last."""
        return sum(count for _, count in self.marks[1:]) / (self.marks[-1][0] - self.marks[0][0])


def _actors() -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"MapWorker" in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


_answerer: BatchPredictor | None = None


def _begin(path: Path) -> None:
    global _answerer  # noqa: PLW0603  (a pool's worker has no other place)
    _answerer = BatchPredictor(path, threads=1)


def _answer(piece: WorkItem) -> int:
    return 0 if _answerer is None else int(_answerer(piece).num_rows)


def _pool(exported: Path, pictures: Path) -> tuple[float, float]:
    """Returns the rate of two bare processes at the same work, once warm, and the seconds to their first predictions.
    They keep nothing, and a killed one would have them wait for ever.
    """
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(2, _begin, (exported,)) as pool:
        marks = [(time.perf_counter(), count) for count in pool.imap_unordered(_answer, list_work_items([pictures]))]
    return sum(count for _, count in marks[1:]) / (marks[-1][0] - marks[0][0]), marks[0][0] - began


def _shares(table: Any) -> Any:
    return np.array(table.column("probabilities").to_pylist())
