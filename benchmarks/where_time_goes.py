"""Where the time of a training goes: the seconds of a short one, and the milliseconds of a step.

    python benchmarks/where_time_goes.py DATA [--rounds N]

DATA holds mnist. The short training is that of the digits' race: 160 steps of cnn-fast, in a process of
its own. Its first call makes ten steps, and before them TensorFlow traces and optimises the graph of a step; the same
of the validation. A step is taken apart by leaving parts out: the way forward alone, forward and back, and all of it,
in one process, in turns. Its multiply-adds are compared with a large matrix product's in the same arithmetic.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from commands import timed
from evidence import publish, spread
from gemm import multiply_adds, peak

from striate.config import replace_config
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.data.splits import split_stratified
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.optimizers import make_optimizer
from striate.training.performance.batch_norm import use_fused_batch_norm
from striate.training.presets import RECIPES

STEPS = 160
CALLS = 20  # of each part of a step in a round
CASES = {"fast-digits": (28, 28, 1), "fast": (32, 32, 3)}
"""Recipe → shape of its images."""


class Marks(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes when what happened first and last."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def _note(self, name: str) -> None:
        self.last[name] = time.perf_counter()
        self.first.setdefault(name, self.last[name])

    def on_train_begin(self, logs: Any = None) -> None:
        self._note("begun")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._note("steps")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._note("validated")


def short_training(data: Path) -> dict[str, float]:
    """Returns the seconds of each part of the digits' short training."""
    splits = split_stratified(load_images("mnist", data_dir=data))
    form = Preprocessing(28, 28, 1)
    train, validation = (decode_all(part, form) for part in (splits.train, splits.validation))
    recipe = plan(replace_config(RECIPES["fast-digits"], epochs=1, steps_per_epoch=STEPS), splits.train)
    marks, plain = Marks(), keras.Model.fit

    def marked(self: Any, *args: Any, callbacks: Any = (), **options: Any) -> Any:
        return plain(self, *args, callbacks=[*callbacks, marks], **options)

    keras.Model.fit = marked
    began = time.perf_counter()
    try:
        fit(train, validation, recipe)
    finally:
        keras.Model.fit = plain
    ended = time.perf_counter()
    call = (marks.last["steps"] - marks.first["steps"]) / (STEPS - 10) * 10
    validations = -(-len(validation.pixels) // 256)
    one = (marks.last["validated"] - marks.first["validated"]) / max(1, validations - 1)
    return {
        "building and compiling": marks.first["begun"] - began,
        "tracing a step": marks.first["steps"] - marks.first["begun"] - call,
        f"{STEPS} steps": marks.last["steps"] - marks.first["steps"] + call,
        "tracing validation": marks.first["validated"] - marks.last["steps"] - one,
        "validation": marks.last["validated"] - marks.first["validated"] + one,
        "the rest": ended - marks.last["validated"],
        "whole": ended - began,
    }


def step(name: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """Returns the milliseconds of a step's parts, in bfloat16."""
    recipe = RECIPES[name]
    assert recipe.batch and recipe.architecture  # noqa: S101  (these recipes have them)
    set_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build_model(ARCHITECTURES[recipe.architecture], shape, 10)
    keras.config.set_dtype_policy("float32")
    for layer in model.layers:
        layer.trainable = layer.name != "whiten"  # as whiten() leaves it
    work = recipe.batch * multiply_adds(model)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (recipe.batch, *shape), np.uint8))
    labels = tf.constant(rng.integers(0, 10, recipe.batch))
    weights = model.trainable_variables
    optimizer = make_optimizer(recipe, 1e-4, steps=1000)
    optimizer.build(weights)

    def loss() -> Any:
        logits = model(images, training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def gradients() -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            found = loss()
        return found, tape.gradient(found, weights)

    def whole() -> Any:
        found, slopes = gradients()
        optimizer.apply(slopes, weights)
        return found

    parts: dict[str, Callable[[], Any]] = {
        "forward": tf.function(loss, autograph=False),
        "forward and back": tf.function(gradients, autograph=False),
        "step": tf.function(whole, autograph=False),
    }
    seconds: dict[str, list[float]] = {part: [] for part in parts}
    peaks = []
    with use_fused_batch_norm(model):
        for number in range(rounds + 1):
            for part, call in parts.items():
                began = time.perf_counter()
                for _ in range(CALLS):
                    made = call()
                tf.nest.map_structure(lambda one: one.numpy(), made)
                if number:  # the first one traces
                    seconds[part].append((time.perf_counter() - began) / CALLS)
            peaks.append(peak("mixed_bfloat16"))
    fractions = [work / 1e9 / one / highest for one, highest in zip(seconds["step"], peaks[1:], strict=True)]
    return {
        "network": recipe.architecture,
        "batch": recipe.batch,
        "milliseconds": {part: round(1000 * statistics.median(values), 2) for part, values in seconds.items()},
        "of_the_gemm_peak": spread(fractions),
    }


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one", action="store_true", help="one short training, as JSON (used inside)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(short_training(options.data)))
        return
    command = [sys.executable, __file__, str(options.data), "--one"]
    found = [timed(command, {})[1] for _ in range(options.rounds)]
    publish(
        {
            "benchmark": "where_time_goes",
            "rounds": options.rounds,
            "short training, seconds": {name: spread([one[name] for one in found]) for name in found[0]},
            "steps": {name: step(name, shape, options.rounds) for name, shape in CASES.items()},
        }
    )


if __name__ == "__main__":
    main()
