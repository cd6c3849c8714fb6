"""What Striate's training step costs beside the same Keras model trained by a bare `model.fit` on arrays in memory.

    python benchmarks/step_overhead.py [--data-dir DIR] [--pictures N] [--rounds N]

Both sides train the same model with the same optimizer, loss and batch on the same MNIST images, in one process,
in turns (A B A B …), so that a noisy machine disturbs both alike. A round is two epochs; the first, which compiles,
is not counted. What is timed is the training part of the second epoch, without validation, by the same clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish, spread

from striate.config import replace_config
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.data.splits import split_stratified
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.optimizers import make_optimizer
from striate.training.presets import CLASSIC

CASES = (("cnn-small", 200), ("cnn", 128), ("mlp", 128), ("lenet", 128))


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the training part of each epoch, seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(self.ended - self.began)


def bare(train: DecodedSet, name: str, batch: int) -> float:
    """Returns images per second of `model.fit` on float32 arrays, as a tutorial would write it."""
    set_seed(0)
    model = build_model(ARCHITECTURES[name], train.pixels.shape[1:], 10)
    x, y = train.pixels.astype(np.float32), np.eye(10, dtype=np.float32)[train.images.labels]
    model.compile(
        optimizer=make_optimizer(CLASSIC, CLASSIC.learning_rate, steps=1),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    clock = Clock()
    model.fit(x, y, batch_size=batch, epochs=2, callbacks=[clock], verbose=0)
    return len(x) / clock.seconds[1]


def ours(train: DecodedSet, validation: DecodedSet, name: str, batch: int) -> float:
    """Returns images per second through Striate's own training."""
    recipe = replace_config(
        CLASSIC, architecture=name, batch=batch, epochs=2, height=28, width=28, channels=1, augment="none"
    )
    planned = plan(replace_config(recipe, precision="float32"), train.images)  # as the bare fit
    return fit(train, validation, planned).history.epochs[1].images_per_second


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    splits = split_stratified(load_images("mnist", data_dir=options.data_dir))
    form = Preprocessing(28, 28, 1)
    train = decode_all(splits.train.subset(np.arange(options.pictures)), form)
    validation = decode_all(splits.validation.subset(np.arange(200)), form)
    results = {}
    for name, batch in CASES:
        rates: dict[str, list[float]] = {"bare": [], "striate": []}
        for _ in range(options.rounds):
            rates["bare"].append(bare(train, name, batch))
            rates["striate"].append(ours(train, validation, name, batch))
        ratios = [theirs / own for theirs, own in zip(rates["bare"], rates["striate"], strict=True)]
        results[name] = {
            "batch": batch,
            "images_per_second": {side: round(statistics.median(values)) for side, values in rates.items()},
            "cost_ratio": spread(ratios),
        }
    publish(
        {
            "benchmark": "step_overhead",
            "meaning": "cost_ratio: time per image with Striate / with bare fit; below 1 Striate is faster",
            "rounds": options.rounds,
            "pictures": options.pictures,
            "results": results,
        }
    )


if __name__ == "__main__":
    main()
