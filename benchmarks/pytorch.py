"""Images per second of the same models in Striate and in a hand-written PyTorch loop, each in its best precision.

    python benchmarks/pytorch.py [--data-dir DIR] [--pictures N] [--rounds N] [--batch N]

Striate's side is a whole `fit` with `--precision auto`, of which the training part of the second epoch counts. The
peer's is a bare loop without history, metrics or validation, channels last, in float32 and under bfloat16 autocast, of
which the faster counts. All run in processes of their own, in turns (A B A B …), so that a noisy machine disturbs both
alike, and neither's threads disturb the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish, spread

from striate.data.loaders.load import load_images

BATCHES = {"cnn-small": 128, "cnn": 128, "lenet": 128, "resnet20": 128}
"""Model → images per step."""


def ours(name: str, pixels: Any, labels: Any, batch: int) -> dict[str, float]:
    """Returns Striate's images per second."""
    from striate.config import replace_config
    from striate.data.decoded_cache import decode_all
    from striate.data.loaders.arrays import from_arrays
    from striate.data.preprocessing import Preprocessing
    from striate.training.auto_config import plan
    from striate.training.fit import fit
    from striate.training.presets import CLASSIC

    images = from_arrays(pixels, labels)
    train = decode_all(images, Preprocessing(28, 28, 1))
    few = decode_all(images.subset(np.arange(200)), Preprocessing(28, 28, 1))
    recipe = replace_config(CLASSIC, architecture=name, batch=batch, epochs=2, augment="none", height=28, width=28)
    trained = fit(train, few, plan(replace_config(recipe, channels=1), images))
    return {trained.recipe.precision: trained.history.epochs[1].images_per_second}


def theirs(name: str, pixels: Any, labels: Any, batch: int) -> dict[str, float]:
    """Returns PyTorch's images per second in either arithmetic."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    from pytorch_networks import images_per_second

    options = {"float32": False, "bfloat16": True}
    return {key: images_per_second(name, pixels, labels, batch, half=half) for key, half in options.items()}


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--pictures", type=int, default=12_800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="images per step, if not those of BATCHES")
    parser.add_argument("--networks", default=",".join(BATCHES))
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "NETWORK"), help="one measurement, as JSON (used inside)")
    options = parser.parse_args()
    if options.one:
        images = load_images("mnist", data_dir=options.data_dir)
        chosen = np.flatnonzero(images.splits == "train")[: options.pictures]
        pixels = np.asarray(images.sources)[chosen].reshape(-1, 28, 28, 1)
        measured = {"striate": ours, "pytorch": theirs}[options.one[0]]
        batch = options.batch or BATCHES[options.one[1]]
        print(json.dumps(measured(options.one[1], pixels, images.labels[chosen], batch)))
        return
    results = {}
    for name in options.networks.split(","):
        batch = options.batch or BATCHES[name]
        rates: dict[str, list[dict[str, float]]] = {"striate": [], "pytorch": []}
        for _ in range(options.rounds):
            for side, found in rates.items():
                command = [sys.executable, __file__, "--one", side, name, "--pictures", str(options.pictures)]
                command += ["--data-dir", str(options.data_dir)] if options.data_dir else []
                command += ["--batch", str(batch)]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                found.append(json.loads(said[said.index("{") :]))
        best = {side: [max(one.values()) for one in found] for side, found in rates.items()}
        ratios = [own / other for own, other in zip(best["striate"], best["pytorch"], strict=True)]
        results[name] = {
            "batch": batch,
            "images_per_second": {side: round(statistics.median(values)) for side, values in best.items()},
            "precision": {side: max(found[-1], key=found[-1].__getitem__) for side, found in rates.items()},
            "times_as_fast": spread(ratios),
        }
        print(json.dumps({name: results[name]}), file=sys.stderr, flush=True)
    publish(
        {
            "benchmark": "pytorch",
            "meaning": "times_as_fast: images/s with Striate / with a hand-written PyTorch loop, each at its best",
            "rounds": options.rounds,
            "pictures": options.pictures,
            "results": results,
        }
    )


if __name__ == "__main__":
    main()
