"""How often `striate doctor` names a planted fault first, and how often it finds one where there is none.

    python benchmarks/doctor.py DATA [--seeds 10,11,12,13,14] [--only NAME,…] [--show]

DATA holds mnist, fashion_mnist, cats_dogs and weights. Every fault of plants.py, and every training without one, is
trained with each seed on other images; report pages and plots are left out. The thresholds were chosen with seeds 100
to 102 and 0 to 9: those that are scored are others.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from evidence import publish
from plants import HEALTHY, PLANTS, Pictures, Plant, set_of, with_seed

from striate.data.decoded_cache import decode_all
from striate.data.image_set import SPLIT_NAMES
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.diagnosis.diagnose import load_diagnosis_report
from striate.errors import TrainingError
from striate.evaluation.intervals import wilson

WEIGHTS = "weights/mobilenet_v2_0.35_224_no_top.h5"
SIDES = {"cats_dogs": 64, "cats_dogs_96": 96}
MOST = 8000  # images that are drawn from


@cache
def pool(name: str, data: Path) -> tuple[Any, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Returns kind, pixels, labels and classes of a data set, in its own order."""
    source = str(data / "cats_dogs") if name in SIDES else name
    images = load_images(source, data_dir=data)
    chosen = np.random.default_rng(0).permutation(len(images))[: 2500 if name in SIDES else MOST]
    images = images.subset(np.isin(np.arange(len(images)), chosen))
    if name in SIDES:
        decoded = decode_all(images, Preprocessing(SIDES[name], SIDES[name], 3))
        return images.kind, decoded.pixels, decoded.images.labels, images.classes
    return images.kind, np.asarray(images.sources), images.labels, images.classes


def drawn(name: str, plant: Plant, seed: int, data: Path) -> Pictures:
    """Returns the seed's own images, divided."""
    kind, pixels, labels, classes = pool(name, data)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    scale = min(1.0, len(labels) / sum(plant.sizes))
    bounds = np.cumsum([0, *(int(size * scale) for size in plant.sizes)])
    parts = {part: order[low:high] for part, low, high in zip(SPLIT_NAMES, bounds[:-1], bounds[1:], strict=True)}
    return Pictures(
        classes,
        {part: pixels[chosen].copy() for part, chosen in parts.items()},
        {part: labels[chosen].astype(np.int64) for part, chosen in parts.items()},
        kind,
        rng,
    )


def named(plant: Plant, seed: int, data: Path, runs: Path, *, show: bool) -> list[str]:
    """Returns the kinds of faults that are named after one training, the first first."""
    from striate.workflows.train import train

    images = drawn(set_of(plant, seed), plant, seed, data)
    plant.tamper(images)
    settings: dict[str, Any] = {
        name: str(data / WEIGHTS) if value == "WEIGHTS" else value for name, value in with_seed(plant, seed).items()
    }
    name = f"run-{len(list(runs.iterdir()))}"
    with contextlib.suppress(TrainingError):  # which is what some faults are about
        train(images.splits(), runs=runs, name=name, **settings)
    said = load_diagnosis_report(runs / name)
    if said is None:
        return ["none was made"]
    if show:
        for one in said.diagnoses:
            print(f"      {one.kind}: {one.evidence}", file=sys.stderr)
        if not said.diagnoses:
            print(f"      {said.summary}", file=sys.stderr)
    return [one.kind for one in said.diagnoses]


@contextlib.contextmanager
def without_pages() -> Iterator[None]:
    """Leaves out what is drawn: it takes longer than these trainings."""
    names = ("flow.save_report_page", "results.drawing.save", "results.plots.curves", "results.plots.confusion")
    with contextlib.ExitStack() as stack:
        for name in (*names, "results.plots.gallery", "results.coverage_curve"):
            stack.enter_context(mock.patch(f"striate.workflows.{name}"))
        yield


def scored(rows: dict[str, Plant], seeds: list[int], data: Path, runs: Path, *, show: bool) -> dict[str, Any]:
    """Returns what was named, by plant."""
    found = {}
    for name, plant in rows.items():
        began = time.perf_counter()
        said = [named(plant, seed, data, runs, show=show) for seed in seeds]
        first = Counter(kinds[0] if kinds else "healthy" for kinds in said)
        right = sum(bool(kinds) and kinds[0] in plant.accepted for kinds in said)
        found[name] = {
            "planted": plant.what,
            "data": sorted({set_of(plant, seed) for seed in seeds}),
            "accepted": list(plant.accepted),
            "trainings": len(seeds),
            "named_first": right,
            "named": sum(bool(set(kinds) & set(plant.accepted)) for kinds in said),
            "verdicts": dict(first.most_common()),
            "any": sum(bool(kinds) for kinds in said),
        }
        print(f"{name}: {right}/{len(seeds)}, {dict(first)}, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return found


def share(right: int, n: int) -> dict[str, Any]:
    """Returns a share with its interval."""
    return {"n": n, "share": right / n, "interval": [round(end, 4) for end in wilson(right, n)]} if n else {"n": 0}


def main() -> None:
    """Prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", default="10,11,12,13,14")
    parser.add_argument("--only", help="names of plants, by default all")
    parser.add_argument("--show", action="store_true", help="say what was found on the way")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = {
        kind: {name: plant for name, plant in table.items() if not options.only or name in options.only.split(";")}
        for kind, table in (("faults", PLANTS), ("healthy", HEALTHY))
    }
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, without_pages():
        found = {
            kind: scored(table, seeds, options.data.resolve(), Path(scratch), show=options.show)
            for kind, table in rows.items()
        }
    faults, healthy = found["faults"].values(), found["healthy"].values()
    publish(
        {
            "benchmark": "doctor",
            "seeds": seeds,
            "seconds": round(time.perf_counter() - began),
            "named_first": share(sum(one["named_first"] for one in faults), sum(one["trainings"] for one in faults)),
            "false_alarms": share(sum(one["any"] for one in healthy), sum(one["trainings"] for one in healthy)),
            **found,
        }
    )


if __name__ == "__main__":
    main()
