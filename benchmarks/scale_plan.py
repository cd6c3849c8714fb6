"""On paper: bulk prediction with up to 1,000 workers and 10⁹ images, and one training by up to 1,000 processes, by
simulation from what was measured on two processors.

    python benchmarks/scale_plan.py [RESULTS]

RESULTS is benchmarks/results/scale.json. What is measured there: images a second of an actor, pieces a second that
Ray Data and the driver get through, bytes of a prediction, seconds of a start. What is assumed here stands in ASSUMED.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from pathlib import Path
from typing import Any, NamedTuple

from evidence import publish

HERE = Path(__file__).parent
PIECES = (256, 4096)  # images of a piece: as it is, and as it would have to be for more workers

ASSUMED = {
    "object_requests_a_second": 5500.0,  # what S3 states for GET requests of one prefix
    "prefixes": 16.0,  # that the images are spread over
    "keys_listed_a_second": 10_000.0,  # ten pages of a thousand keys a second
    "object_seconds": 0.03,  # until an object's first byte; 64 of a piece are asked for at once
    "shard_bytes_a_second": 50e6,  # of one stream from the store
    "store_bytes_a_second": 10e9,  # of all of them
    "picture_bytes": 8e3,
    "answer_bytes": 200.0,  # of ten classes, with the image's name
    "driver_bytes_a_second": 500e6,
    "hours_between_failures_of_a_worker": 720.0,
    "spread_of_a_piece": 0.2,  # of the logarithm of its time
    "dollars_a_worker_hour": 0.05,
    "dollars_a_million_requests": 0.4,
    "network_bytes_a_second": 1.25e9,  # 10 Gbit/s
    "network_seconds": 5e-5,  # of a message
}


ASKED = ((10**6, 10), (10**7, 100), (10**8, 100), (10**8, 1000), (10**9, 1000))
"""Images and workers."""


class Measured(NamedTuple):
    """What two processors did."""

    pictures_a_second: float
    pieces_a_second: float
    start_seconds: float


class Store(NamedTuple):
    """How images lie there, in pieces of so many: requests of a piece, seconds that it takes to fetch one, and that
    the store is taken up by it.
    """

    name: str
    piece: int
    requests: float
    seconds: float
    taken: float


def stores(piece: int) -> list[Store]:
    """Returns images as objects of their own, and in Parquet shards with row groups of a piece."""
    a = ASSUMED
    size = piece * a["picture_bytes"]
    through = size / a["store_bytes_a_second"]
    at_once = 64
    objects = Store(
        "objects",
        piece,
        piece,
        math.ceil(piece / at_once) * a["object_seconds"],
        max(piece / (a["object_requests_a_second"] * a["prefixes"]), through),
    )
    return [objects, Store("shards", piece, 2, 2 * a["object_seconds"] + size / a["shard_bytes_a_second"], through)]


def simulate(pictures: int, workers: int, store: Store, measured: Measured, seed: int = 0) -> dict[str, Any]:
    """Returns what a bulk prediction comes to: each worker fetches the next piece while it answers one, the driver
    hands pieces out and takes answers one at a time, the store serves one byte at a time, and workers fail at times.
    """
    rng, a = random.Random(seed), ASSUMED  # noqa: S311
    pieces = -(-pictures // store.piece)
    listing = pictures / a["keys_listed_a_second"] if store.name == "objects" else 0.0
    answering = store.piece / measured.pictures_a_second
    handling = 1 / measured.pieces_a_second + store.piece * a["answer_bytes"] / a["driver_bytes_a_second"]
    failing = 1 / (a["hours_between_failures_of_a_worker"] * 3600)
    free = [(listing + measured.start_seconds, number) for number in range(workers)]
    heapq.heapify(free)
    ready = [listing + measured.start_seconds] * workers
    driver = at_store = listing
    busy = driver_busy = store_busy = 0.0
    lost, end = 0, 0.0
    left = pieces
    while left:
        when, worker = heapq.heappop(free)
        driver = max(driver, ready[worker]) + handling
        at_store = max(at_store, driver) + store.taken
        fetched = at_store + store.seconds
        spent = answering * math.exp(rng.gauss(0, a["spread_of_a_piece"]))
        begun = max(when, fetched)
        ready[worker] = begun  # it asks for the next one as it begins with this one
        driver_busy, store_busy = driver_busy + handling, store_busy + store.taken
        if rng.random() < spent * failing:
            lost += 1
            heapq.heappush(free, (begun + spent + measured.start_seconds, worker))
            continue
        busy += spent
        end = max(end, begun + spent)
        heapq.heappush(free, (begun + spent, worker))
        left -= 1
    working = end - listing
    fractions = {
        "workers": busy / (working * workers),
        "driver": driver_busy / working,
        "store": store_busy / working,
        "listing": listing / end,
    }
    requests = pieces * store.requests + (pictures / 1000 if store.name == "objects" else 0)
    return {
        "pictures": pictures,
        "workers": workers,
        "store": store.name,
        "piece": store.piece,
        "hours": round(end / 3600, 3),
        "hours_listing": round(listing / 3600, 3),
        "pictures_a_second": round(pictures / end),
        "busy": {name: round(fraction, 3) for name, fraction in fractions.items()},
        "bottleneck": "listing" if listing > working else max(fractions, key=lambda name: fractions[name]),
        "pieces_lost": lost,
        "worker_hours": round(workers * working / 3600, 1),
        "dollars": {
            "workers": round(workers * working / 3600 * a["dollars_a_worker_hour"], 2),
            "requests": round(requests / 1e6 * a["dollars_a_million_requests"], 2),
        },
    }


def step(processes: int, batch: int, seconds_a_picture: float, parameters: float) -> dict[str, Any]:
    """Returns what a step of data parallelism takes: each process its fraction of the batch, and a ring's all-reduce of
    the gradients (Patarasuk and Yuan 2009: 2 (n − 1) / n of them over each link), which hides behind half of the
    arithmetic at most.
    """
    a = ASSUMED
    arithmetic = batch / processes * seconds_a_picture
    ring = 2 * (processes - 1) / processes * parameters * 4 / a["network_bytes_a_second"]
    sums = (ring + 2 * (processes - 1) * a["network_seconds"]) if processes > 1 else 0.0
    whole = arithmetic + max(0.0, sums - arithmetic / 2)
    return {
        "processes": processes,
        "batch": batch,
        "seconds_a_step": round(whole, 4),
        "share_of_sums": round(1 - arithmetic / whole, 3),
        "times_as_fast_as_one": round(batch * seconds_a_picture / whole, 1),
    }


def main() -> None:
    """Prints the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=HERE / "results" / "scale.json")
    found = json.loads(parser.parse_args().results.read_text(encoding="utf-8"))["throughput"]
    measured = Measured(
        found["pictures_a_second"]["two_actors"]["median"] / 2,
        found["pieces_a_second"]["median"],
        found["seconds_more_with_a_cluster"]["median"],
    )
    bulk = [
        simulate(images, workers, store, measured)
        for piece, asked in ((PIECES[0], ASKED), (PIECES[1], ASKED[-1:]))
        for store in stores(piece)
        for images, workers in asked
    ]
    trainings = [
        step(processes, batch, 1 / 400, 25.6e6)  # a ResNet-50 on a GPU of 400 images a second
        for batch in (256, 4096)
        for processes in (1, 8, 64, 256)
    ]
    publish({"measured": measured._asdict(), "assumed": ASSUMED, "bulk": bulk, "trainings": trainings})


if __name__ == "__main__":
    main()
