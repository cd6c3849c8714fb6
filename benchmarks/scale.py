"""Whether what runs on a cluster holds: answers, trainings and searches while computers and processes die, and what it
costs to have one.

    python benchmarks/scale.py DATA [--rows bulk,…]

DATA is a folder that holds cats_dogs. Two computers are two model namespaces with a cable between them, where the
system allows that. Models are untrained or little trained: what is asked is whether answers, losses and weights are
the same. Exits with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence import publish
from scale_bulk import bulk, throughput
from scale_hosts import hosts
from scale_stand import Stand
from scale_trainings import together, tune

ROWS: dict[str, Callable[[Stand], dict[str, Any]]] = {
    "bulk": bulk,
    "together": together,
    "tune": tune,
    "throughput": throughput,
}


def main() -> int:
    """Prints the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", default=",".join(ROWS))
    options = parser.parse_args()
    document: dict[str, Any] = {"goals_reached": True}
    os.environ["STRIATE_TENSORBOARD"] = "off"
    with tempfile.TemporaryDirectory(prefix="striate-scale-") as folder:
        for name in options.rows.split(","):
            print(f"{name} …", file=sys.stderr, flush=True)
            place = Path(folder) / name
            place.mkdir()
            with hosts(place) as two:
                row = ROWS[name](Stand(options.data, place, two))
            document["hosts"] = two.kind
            document[name] = row
            document["goals_reached"] &= row["reached"]
            print(row, file=sys.stderr, flush=True)
    publish(document)
    return 0 if document["goals_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
