"""In which arithmetic a model trains fastest on this machine: measured, not guessed.

Models differ by the layers they spend their time in: dense ones, convolutions, or depthwise convolutions. One small
model of each kind stands for the others; its training step is timed in float32 and in mixed bfloat16 (Micikevicius
et al. 2018: half-precision arithmetic, float32 weights), once a machine, and the prediction is kept. Nothing is
measured where the processor has no instructions for bfloat16, nor for a training that takes less than measuring would.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import time
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import platformdirs

from striate.data.batches import Batches
from striate.models.cost import compute_layer_costs
from striate.progress import Progress
from striate.system.atomic_files import write_text
from striate.system.backend import ACTIVE_BACKEND, keras, list_devices
from striate.system.hardware import describe_machine, get_package_versions, read_cpu_features
from striate.training.data_loader import PrefetchDataset
from striate.training.epoch_loop import EpochRunner
from striate.training.performance.batch_norm import iter_leaf_layers, use_fused_batch_norm
from striate.training.recipe import Recipe

LayerKind = Literal["dense", "convolution", "depthwise"]
LAYER_KINDS: tuple[LayerKind, ...] = get_args(LayerKind)
BFLOAT16_POLICY = "mixed_bfloat16"
MIN_BFLOAT16_GAIN = 1.25  # times as fast: below, float32's seven digits are worth more
PROBE_IMAGE_SIZE, STEPS_PER_ROUND, MAX_ROUNDS = 16, 6, 5
DECISION_MARGIN = 1.25  # times as fast or as slow as ENOUGH: no further round would change the decision
MAX_FIRST_ROUND_SLOWDOWN = 4.0  # times as long for the first round, compiling included: the arithmetic is imitated
MAX_SECONDS = 4.0  # of timed rounds
CPU_BATCH_SIZE, GPU_BATCH_SIZE = 64, 1024  # a GPU that has little to do is as slow in any arithmetic


BFLOAT16_FEATURES = {
    "x86": frozenset(("avx512f", "avx_ne_convert", "amx_bf16")),
    "arm": frozenset(("bf16",)),
}
"""Instructions of which a processor needs one to compute in bfloat16 faster than in float32. oneDNN, which computes for
TensorFlow and PyTorch, has kernels for no others; without them both fall back to code that takes many times as long."""

MIN_OPERATIONS = 3e11
"""Multiplications and additions of a training below which measuring is not worth its time: those of about three
seconds on two cores, of which bfloat16 would save one."""


def choose_precision(
    model: Any, progress: Progress, *, is_inference_only: bool = False, operations: float = math.inf
) -> str:
    """Returns the dtype policy to train this model in: `float32` or `mixed_bfloat16`.

    Args:
        model: the model.
        progress: told of bfloat16.
        is_inference_only: only its predictions are asked for (see inference.forward), where depthwise convolutions
            gain as others.
        operations: of the whole training, see `count_operations`.
    """
    if operations < MIN_OPERATIONS or not is_gain_possible():
        return "float32"
    gain = load_or_measure_gain("convolution" if is_inference_only else detect_layer_kind(model))
    if gain < MIN_BFLOAT16_GAIN:
        return "float32"
    progress.log(f"Arithmetic: bfloat16, {gain:.1f} times as fast as float32 here; weights stay float32.")
    return BFLOAT16_POLICY


def is_gain_possible() -> bool:
    """Returns whether bfloat16 may be faster here at all; True where only measuring tells."""
    if list_devices() != ["cpu"]:
        return True
    if ACTIVE_BACKEND.name == "jax":  # XLA only imitates bfloat16 on a processor
        return False
    name, features = platform.machine().lower(), read_cpu_features()
    family = "x86" if name in ("x86_64", "amd64", "i686") else "arm" if name in ("aarch64", "arm64") else None
    return features is None or family is None or not features.isdisjoint(BFLOAT16_FEATURES[family])


def count_operations(model: Any, recipe: Recipe, image_count: int) -> float:
    """Returns the multiplications and additions of a whole training, to a factor of about two: forward passes, and
    backward passes that cost twice as much; infinity where they are not known before.

    Args:
        model: the model.
        recipe: planned (see plan.plan).
        image_count: how many there are in the training set.
    """
    if recipe.minutes is not None or recipe.epochs is None:
        return math.inf
    try:
        once = 2.0 * sum(layer.multiply_adds for layer in compute_layer_costs(model))
    except Exception:  # of a model of the user's own, anything
        return math.inf
    if recipe.steps_per_epoch is not None and recipe.batch is not None:
        image_count = min(image_count, recipe.steps_per_epoch * recipe.batch)
    if recipe.weights is None:
        return 3 * once * image_count * recipe.epochs
    return once * image_count * (1 + 3 * recipe.fine_tune)


def detect_layer_kind(model: Any) -> LayerKind:
    """Returns which layers the model spends its time in."""
    kinds = {type(layer) for layer in iter_leaf_layers(model)}
    if kinds & {keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D}:
        return "depthwise"
    return "convolution" if keras.layers.Conv2D in kinds else "dense"


@cache
def load_or_measure_gain(kind: LayerKind) -> float:
    """Returns how many times as fast a training step of that kind is in mixed bfloat16 as in float32."""
    known = load_cached_gain(kind)
    if known is not None:
        return known
    gain, path = _measure_gain(kind), _build_cache_path(kind)
    with contextlib.suppress(OSError):  # then the next process measures again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"kind": kind, "gain": gain}) + "\n")
    return gain


def load_cached_gain(kind: LayerKind) -> float | None:
    """Returns what was measured before on this machine, with these packages; None if nothing was."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return float(json.loads(_build_cache_path(kind).read_text(encoding="utf-8"))["gain"])
    return None


def get_cache_folder() -> Path:
    """Returns where what was measured is kept between trainings."""
    return platformdirs.user_cache_path("striate") / "precision"


def _build_cache_path(kind: LayerKind) -> Path:
    """Returns the file's place, its name made of all that the speed depends on."""
    about = (
        kind,
        ACTIVE_BACKEND.name,
        list_devices(),
        get_package_versions(("keras", ACTIVE_BACKEND.name)),
        describe_machine(),
    )
    return get_cache_folder() / f"{hashlib.sha256(repr(about).encode()).hexdigest()[:32]}.json"


def _measure_gain(kind: LayerKind) -> float:
    """Times both in turns, so that a noisy machine disturbs both alike; the best round of each counts."""
    rng = np.random.default_rng(0)
    batch = CPU_BATCH_SIZE if list_devices() == ["cpu"] else GPU_BATCH_SIZE
    pixels = rng.integers(0, 256, (batch * STEPS_PER_ROUND, PROBE_IMAGE_SIZE, PROBE_IMAGE_SIZE, 3), np.uint8)
    batches = Batches(pixels, rng.integers(0, 10, len(pixels)).astype(np.int32), 10, batch, shuffle_seed=0)
    runs = {policy: EpochRunner(_build_probe_model(kind, policy)) for policy in ("float32", BFLOAT16_POLICY)}
    first = {policy: _time_round(run, batches) for policy, run in runs.items()}  # which compiles
    if first[BFLOAT16_POLICY] > MAX_FIRST_ROUND_SLOWDOWN * first["float32"]:
        return round(first["float32"] / first[BFLOAT16_POLICY], 2)
    best, began = dict.fromkeys(runs, math.inf), time.perf_counter()
    for number in range(MAX_ROUNDS):
        for policy, run in runs.items():
            best[policy] = min(best[policy], _time_round(run, batches))
        gain = best["float32"] / best[BFLOAT16_POLICY]
        is_clear = gain < MIN_BFLOAT16_GAIN / DECISION_MARGIN or (
            number > 0 and gain > MIN_BFLOAT16_GAIN * DECISION_MARGIN
        )
        if is_clear or time.perf_counter() - began > MAX_SECONDS:
            break
    return round(best["float32"] / best[BFLOAT16_POLICY], 2)


def _time_round(runner: EpochRunner, batches: Batches) -> float:
    """Returns the seconds of one round of steps."""
    with use_fused_batch_norm(runner.model):
        began = time.perf_counter()
        runner.run(PrefetchDataset(batches), None)
        return time.perf_counter() - began


def _build_probe_model(kind: LayerKind, policy: str) -> Any:
    layers = keras.layers
    with_policy: dict[str, Any] = {"dtype": policy}
    x = images = keras.Input((PROBE_IMAGE_SIZE, PROBE_IMAGE_SIZE, 3))
    x = layers.Rescaling(1 / 255, **with_policy)(x)
    if kind == "dense":
        x = layers.Flatten(**with_policy)(x)
        for _ in range(3):
            x = layers.Dense(512, activation="relu", **with_policy)(x)
    else:
        x = layers.Conv2D(48, 3, padding="same", use_bias=False, **with_policy)(x)
        for _ in range(3):
            if kind == "depthwise":
                x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, **with_policy)(x)
                x = layers.ReLU(**with_policy)(layers.BatchNormalization(**with_policy)(x))
            side = 1 if kind == "depthwise" else 3
            x = layers.Conv2D(48, side, padding="same", use_bias=False, **with_policy)(x)
            x = layers.ReLU(**with_policy)(layers.BatchNormalization(**with_policy)(x))
        x = layers.GlobalAveragePooling2D(**with_policy)(x)
    model = keras.Model(images, layers.Dense(10, dtype="float32")(x))
    model.compile(
        optimizer=keras.optimizers.SGD(1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile="auto" if ACTIVE_BACKEND.name == "jax" else False,
    )
    model.optimizer.build(model.trainable_variables)
    return model
