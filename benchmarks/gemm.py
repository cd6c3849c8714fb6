"""The most that a machine's arithmetic gives, as a large matrix product, and what a training step asks of it."""

from __future__ import annotations

import time
from typing import Any

import tensorflow as tf

from striate.models.cost import compute_layer_costs

SIDE, CALLS = 2048, 3


def peak(precision: str, rounds: int = 5) -> float:
    """Returns the best of several rounds, in 10⁹ multiply-adds a second, of a product of two square matrices.

    Args:
        precision: `float32` or `mixed_bfloat16`.
        rounds: the best of which counts.
    """
    kind = tf.float32 if precision == "float32" else tf.bfloat16
    left, right = (tf.cast(tf.random.stateless_uniform((SIDE, SIDE), (0, seed)), kind) for seed in range(2))
    product = tf.function(tf.matmul)
    product(left, right)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(CALLS):
            out = product(left, right)
        _ = out[0, 0].numpy()
        best = min(best, (time.perf_counter() - began) / CALLS)
    return float(SIDE**3 / best / 1e9)


def multiply_adds(model: Any) -> int:
    """Returns those of a training step for one image: once for the prediction, once for the slope by each layer's
    weights, and once for the slope by its input, where something below it learns.
    """
    total, below = 0, False
    for row in compute_layer_costs(model):
        if row.multiply_adds:
            is_learning = model.get_layer(row.name).trainable
            total += row.multiply_adds * (1 + is_learning + below)
            below = below or is_learning
    return total
