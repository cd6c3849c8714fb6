"""What Striate's training reaches of a hand-written loop: the same model, optimizer and images, images per second.

    python benchmarks/step_efficiency.py [--data-dir DIR] [--pictures N] [--rounds N] [--networks NAME,…]

The peer is the fastest loop that TensorFlow lets one write: images and labels are tensors, and a whole epoch, the
gathering of its batches included, is one graph. It keeps no history, shows no progress, counts no accuracy and cannot
be stopped. The same loop with accuracy and mean loss counted, as a training needs them, tells how much of a difference
is that. All run in one process, in turns (A B C A B C …), so that a noisy machine disturbs them alike. A round is two
epochs; the first, which compiles, is not counted. Validation is not counted either. Beside it: the step's
multiply-adds a second as a fraction of those of a large matrix product in the same arithmetic.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish, spread
from gemm import multiply_adds, peak

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
from striate.training.recipe import Recipe

CASES = {"cnn-small": (200, 48_000), "cnn": (128, 24_000), "resnet20": (128, 12_000)}
"""Model → images per step, and how many there are: an epoch takes seconds, as those of MNIST do."""

PRECISIONS = ("float32", "mixed_bfloat16")


def handwritten(train: DecodedSet, recipe: Recipe, *, counts: bool = False) -> float:
    """Returns images per second of a whole epoch as one TensorFlow graph, which may count right predictions and
    losses.
    """
    import tensorflow as tf

    assert recipe.batch and recipe.architecture  # noqa: S101  (main() set them)
    set_seed(0)
    keras.config.set_dtype_policy(recipe.precision)
    model = build_model(ARCHITECTURES[recipe.architecture], train.pixels.shape[1:], len(train.images.classes))
    keras.config.set_dtype_policy("float32")
    pixels, labels = tf.constant(train.pixels), tf.constant(train.images.labels)
    steps, weights = len(train.pixels) // recipe.batch, model.trainable_variables
    optimizer = make_optimizer(recipe, recipe.learning_rate, steps=steps)
    optimizer.build(weights)

    right, losses = tf.Variable(0, dtype=tf.int64), tf.Variable(0.0)

    @tf.function(jit_compile=False, autograph=True)  # type: ignore[untyped-decorator]
    def epoch(order: Any) -> Any:
        loss = tf.constant(0.0)
        for step in tf.range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            with tf.GradientTape() as tape:
                logits, wanted = model(tf.gather(pixels, chosen), training=True), tf.gather(labels, chosen)
                one = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
                loss = tf.reduce_mean(one)
            optimizer.apply(tape.gradient(loss, weights), weights)
            if counts:
                is_right = tf.argmax(logits, axis=-1, output_type=wanted.dtype) == wanted
                right.assign_add(tf.math.count_nonzero(is_right))
                losses.assign_add(loss)
        return loss

    rng = np.random.default_rng(0)
    epoch(tf.constant(rng.permutation(len(train.pixels))))
    began = time.perf_counter()
    loss = float(epoch(tf.constant(rng.permutation(len(train.pixels)))))
    seconds = time.perf_counter() - began
    assert np.isfinite(loss)  # noqa: S101
    return steps * recipe.batch / seconds


def ours(train: DecodedSet, validation: DecodedSet, recipe: Recipe) -> float:
    """Returns images per second through Striate's own training."""
    return fit(train, validation, plan(recipe, train.images)).history.epochs[1].images_per_second


def measured(train: DecodedSet, validation: DecodedSet, recipe: Recipe, rounds: int) -> dict[str, Any]:
    """Returns medians of both sides and the range of their ratio."""
    rates: dict[str, list[float]] = {"handwritten": [], "counting": [], "striate": []}
    for number in range(rounds):
        rates["handwritten"].append(handwritten(train, recipe))
        rates["counting"].append(handwritten(train, recipe, counts=True))
        rates["striate"].append(ours(train, validation, recipe))
        print(recipe.architecture, recipe.precision, number, rates, file=sys.stderr, flush=True)
    return {
        "batch": recipe.batch,
        "images_per_second": {side: round(statistics.median(values)) for side, values in rates.items()},
        "reached": _ratio(rates["striate"], rates["handwritten"]),
        "reached_of_counting": _ratio(rates["striate"], rates["counting"]),
        "counting_costs": _ratio(rates["counting"], rates["handwritten"]),
    }


def _ratio(ones: list[float], others: list[float]) -> dict[str, float]:
    return spread([one / other for one, other in zip(ones, others, strict=True)])


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--pictures", type=int, help="instead of each model's number")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", default=",".join(CASES))
    options = parser.parse_args()
    splits = split_stratified(load_images("mnist", data_dir=options.data_dir))
    form = Preprocessing(28, 28, 1)
    validation = decode_all(splits.validation.subset(np.arange(200)), form)
    results: dict[str, Any] = {}
    peaks: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for name in options.networks.split(","):
        batch, number = CASES[name]
        train = decode_all(splits.train.subset(np.arange(options.pictures or number)), form)
        work = multiply_adds(build_model(ARCHITECTURES[name], (28, 28, 1), 10))
        for precision in PRECISIONS:
            recipe = replace_config(
                CLASSIC,
                architecture=name,
                batch=batch,
                epochs=2,
                height=28,
                width=28,
                channels=1,
                augment="none",
                precision=precision,
            )
            one = results[f"{name}, {precision}"] = measured(train, validation, recipe, options.rounds)
            peaks[precision].append(peak(precision))
            one["of_the_gemm_peak"] = round(work * one["images_per_second"]["striate"] / 1e9 / peaks[precision][-1], 3)
    publish(
        {
            "benchmark": "step_efficiency",
            "meaning": "reached: images/s with Striate / with a whole epoch as one hand-written TensorFlow graph",
            "rounds": options.rounds,
            "pictures": {name: options.pictures or number for name, (_, number) in CASES.items()},
            "gemm_peak": {
                "unit": "10⁹ multiply-adds a second, 2,048 × 2,048 matrices",
                **{precision: spread(values, 0) for precision, values in peaks.items()},
            },
            "results": results,
        }
    )


if __name__ == "__main__":
    main()
