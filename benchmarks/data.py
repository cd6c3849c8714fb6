"""What checking costs, how many wrong labels it finds, and that memory stays bounded.

    python benchmarks/data.py DATA [--rounds N] [--flips SHARE] [--large N]

DATA holds cats_dogs (10,000 photographs) and fashion_mnist. Checking: `striate data` as a whole command, with a cache
that knows nothing and with one that knows all. Label suspects: a fraction of Fashion-MNIST's training labels is flipped
to another class, and the fraction of the flipped ones among the most doubtful so many is their precision. Memory: N
images of 64×64 are written as JPEG, a tenth of them first; both are trained on for an epoch, and what the process holds
at most is compared, its own memory and that of mapped files, which the system may take back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from commands import timed
from evidence import publish, spread
from PIL import Image

from striate.data.loaders.load import load_images

RECIPE = "fast-clothes"


def checking(data: Path, rounds: int) -> dict[str, Any]:
    """Returns the seconds of `striate data` on 10,000 photographs."""
    found: dict[str, list[float]] = {"first": [], "again": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            for taken in found.values():
                page = str(Path(scratch) / "page.html")
                command = [sys.executable, "-m", "striate", "data", str(data / "cats_dogs"), "--json", "--html", page]
                seconds, said = _looked(command, scratch)
                taken.append(seconds)
    groups = {one["kind"]: one["groups"] for one in said["findings"] if one["groups"]}
    return {
        "photographs": sum(said["classes"].values()),
        "seconds": {when: spread(seconds, 1) for when, seconds in found.items()},
        "groups": groups,
    }


def _looked(command: list[str], scratch: str) -> tuple[float, dict[str, Any]]:
    """Returns the same as `timed`, where an exit code of 1 says only that something was found."""
    wrapped = [sys.executable, "-c", f"import subprocess, sys; sys.exit(subprocess.run({command!r}).returncode > 1)"]
    return timed(wrapped, {"XDG_CACHE_HOME": scratch})


def suspects(data: Path, share: float, seed: int = 0) -> dict[str, Any]:
    """Returns how many of the flipped labels are among the most doubtful, as many as were flipped."""
    from striate.workflows.inspect_data import find_suspects

    images = load_images("fashion_mnist", data_dir=data)
    images = images.subset(images.splits == "train")
    rng = np.random.default_rng(seed)
    flipped = rng.permutation(len(images))[: round(share * len(images))]
    labels = images.labels.copy()
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, len(flipped))) % 10
    found = find_suspects(replace(images, labels=labels), recipe=RECIPE, seed=seed)
    planted = set(images.keys[flipped].tolist())
    is_right = np.array([key in planted for key in found.keys.tolist()])
    first = is_right[: len(flipped)]
    return {
        "pictures": len(images),
        "flipped": len(flipped),
        "recipe": RECIPE,
        "precision at as many as were flipped": float(first.mean()),
        "precision at half as many": float(is_right[: len(flipped) // 2].mean()),
        "suspected by confident learning": found.confident_count,
        "precision of those": float(is_right[: found.confident_count].mean()),
        "recall of those": float(is_right[: found.confident_count].sum() / len(flipped)),
    }


CHILD = """
import json, sys, threading
from pathlib import Path
import striate.data.decoded_cache as cache
cache.memory = lambda: 2 << 30
from striate.workflows.train import train

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":") for line in lines if line.startswith(("RssAnon", "VmRSS")))
    return [int(fields[name].split()[0]) >> 10 for name in ("RssAnon", "VmRSS")]

most, over = [0, 0], threading.Event()
def watch():
    while not over.wait(0.02):
        most[:] = map(max, most, resident())
thread = threading.Thread(target=watch)
thread.start()
run = train(sys.argv[1], architecture="mlp", height=64, width=64, epochs=1, runs=sys.argv[2])
over.set()
thread.join()
print(json.dumps({"own": most[0], "with mapped files": most[1], "pictures": sum(run.manifest.data["counts"].values())}))
"""


def memory(total: int) -> dict[str, Any]:
    """Returns the most MiB that a training on a tenth of the images, and on all, holds in memory, on a machine that
    is said to have 2 GiB: pixels may take a quarter of that.
    """
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        root, written = Path(scratch) / "pictures", 0
        for number in (total // 10, total):
            _write(root, written, number)
            written = number
            command = [sys.executable, "-c", CHILD, str(root), f"{scratch}/runs"]
            _, said = timed(command, {"XDG_CACHE_HOME": f"{scratch}/cache", "TMPDIR": scratch})
            found[str(number)] = said
    return {"decoded_mib": total * 64 * 64 * 3 >> 20, "mib": found}


def _write(root: Path, start: int, stop: int) -> None:
    """Writes JPEG images of noise in two classes."""
    for number in range(start, stop):
        folder = root / "ab"[number % 2] / f"{number // 2000}"
        folder.mkdir(parents=True, exist_ok=True)
        small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=80)


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flips", type=float, default=0.05)
    parser.add_argument("--large", type=int, default=200_000)
    options = parser.parse_args()
    data = options.data.resolve()
    document: dict[str, Any] = {"benchmark": "data", "checking": checking(data, options.rounds)}
    document["label suspects"] = suspects(data, options.flips)
    if options.large:
        document["memory"] = memory(options.large)
    publish(document)


if __name__ == "__main__":
    main()
