"""The arithmetic of a training: measured once, kept, and never imposed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from striate.config import replace_config
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import keras
from striate.system.hardware import read_cpu_features
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.performance import precision
from striate.training.performance.precision import (
    BFLOAT16_POLICY,
    MIN_BFLOAT16_GAIN,
    MIN_OPERATIONS,
    choose_precision,
    count_operations,
    detect_layer_kind,
    load_or_measure_gain,
)
from striate.training.recipe import Recipe


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """The folder of what was measured, empty, and nothing remembered before or after."""
    monkeypatch.setattr(precision, "get_cache_folder", lambda: tmp_path)
    load_or_measure_gain.cache_clear()
    yield tmp_path
    load_or_measure_gain.cache_clear()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mlp", "dense"),
        ("cnn", "convolution"),
        ("resnet20", "convolution"),
        ("mobilenet", "depthwise"),
        ("xception", "depthwise"),
        ("convnext-tiny", "depthwise"),
    ],
)
def test_models_differ_by_their_layers(name, kind):
    assert detect_layer_kind(build_model(ARCHITECTURES[name], (96, 96, 3), 10)) == kind


@pytest.mark.parametrize("gain", [0.5, MIN_BFLOAT16_GAIN - 0.01, MIN_BFLOAT16_GAIN, 3.0])
def test_half_precision_is_taken_where_it_is_clearly_faster_and_said(monkeypatch, gain):
    said = []

    class Say(Progress):
        def log(self, line):
            said.append(line)

    monkeypatch.setattr(precision, "is_gain_possible", lambda: True)
    monkeypatch.setattr(precision, "load_or_measure_gain", lambda kind: gain)
    policy = choose_precision(build_model(ARCHITECTURES["cnn"], (8, 8, 1), 10), Say())
    assert policy == (BFLOAT16_POLICY if gain >= MIN_BFLOAT16_GAIN else "float32")
    assert [f"{gain:.1f} times" in line for line in said] == ([True] if gain >= MIN_BFLOAT16_GAIN else [])


@pytest.mark.backend
@pytest.mark.parametrize(
    ("machine", "features", "gains"),
    [
        ("x86_64", {"avx2", "fma"}, False),
        ("AMD64", {"avx2", "avx512f"}, True),
        ("x86_64", {"avx2", "avx_ne_convert"}, True),
        ("aarch64", {"fp", "asimd"}, False),
        ("aarch64", {"asimd", "bf16"}, True),
        ("arm64", None, True),
        ("riscv64", {"v"}, True),
    ],
)
def test_only_a_processor_with_instructions_for_it_can_gain(monkeypatch, machine, features, gains):
    monkeypatch.setattr(precision, "list_devices", lambda: ["cpu"])
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    monkeypatch.setattr(precision, "read_cpu_features", lambda: features)
    assert precision.is_gain_possible() == (gains and keras.backend.backend() != "jax")
    monkeypatch.setattr(precision, "list_devices", lambda: ["gpu:0"])
    assert precision.is_gain_possible()


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("model name\t: A\nflags\t\t: fpu avx2\n\nflags\t\t: other\n", {"fpu", "avx2"}),
        ("Features\t: fp bf16\n", {"fp", "bf16"}),
        ("isa\t: rv64\n", None),
        (None, None),
    ],
)
def test_a_processors_features_are_those_that_linux_lists(monkeypatch, tmp_path, text, features):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr("striate.system.hardware.CPUINFO", tmp_path / "cpuinfo")
    assert read_cpu_features() == (features and frozenset(features))


def test_a_processor_without_bfloat16_is_not_measured(monkeypatch):
    monkeypatch.setattr(precision, "is_gain_possible", lambda: False)
    monkeypatch.setattr(precision, "load_or_measure_gain", lambda kind: pytest.fail("measured"))
    assert choose_precision(build_model(ARCHITECTURES["cnn"], (8, 8, 1), 10), NO_PROGRESS) == "float32"


@pytest.mark.parametrize(
    ("settings", "is_measured"),
    [
        ({"epochs": 1}, False),
        ({"epochs": 100_000}, True),
        ({"epochs": 100_000, "steps_per_epoch": 1, "batch": 1}, False),
        ({"epochs": None, "minutes": 1.0}, True),
    ],
)
def test_a_training_that_is_shorter_than_measuring_is_not_measured(monkeypatch, settings, is_measured):
    asked = []
    monkeypatch.setattr(precision, "is_gain_possible", lambda: True)
    monkeypatch.setattr(precision, "load_or_measure_gain", lambda kind: asked.append(kind) or 2.0)
    model = build_model(ARCHITECTURES["cnn-small"], (8, 8, 1), 10)
    operations = count_operations(model, Recipe(architecture="cnn-small", pretrained="none", **settings), 1000)
    assert choose_precision(model, NO_PROGRESS, operations=operations) == (
        BFLOAT16_POLICY if is_measured else "float32"
    )
    assert bool(asked) == is_measured


def test_what_a_training_computes_is_counted_for_the_layers_that_learn():
    model = build_model(ARCHITECTURES["mlp"], (8, 8, 1), 10)
    weights = sum(int(np.prod(layer.kernel.shape)) for layer in model.layers if hasattr(layer, "kernel"))
    learns = Recipe(epochs=3, pretrained="none")
    rests = Recipe(epochs=3, pretrained="imagenet")
    assert count_operations(model, learns, 10) == 6 * weights * 10 * 3
    assert count_operations(model, rests, 10) == 2 * weights * 10
    assert count_operations(model, replace_config(rests, fine_tune=2), 10) == (2 + 12) * weights * 10
    assert count_operations(model, learns, 10) < MIN_OPERATIONS


@pytest.mark.parametrize(
    ("halves", "rounds"),
    [
        ([50.0], 1),  # imitated: known from the round that compiles
        ([1.0, 2.0], 2),  # slower
        ([1.0, 0.5, 0.5], 3),  # twice as fast, and again
        ([1.0] + [0.8] * precision.MAX_ROUNDS, precision.MAX_ROUNDS + 1),  # near the limit: all rounds
    ],
)
def test_measuring_ends_when_the_decision_is_clear(monkeypatch, halves, rounds):
    left = iter(halves)
    monkeypatch.setattr(precision, "_build_probe_model", lambda kind, policy: policy)
    monkeypatch.setattr(
        precision, "_time_round", lambda run, batches: next(left) if run.model == BFLOAT16_POLICY else 1.0
    )
    assert precision._measure_gain("dense") == round(1 / min(halves[1:] or halves), 2)
    assert next(left, None) is None and len(halves) == rounds


@pytest.mark.backend
def test_a_gain_is_a_sensible_number(kept):
    if not precision.is_gain_possible():
        pytest.skip("never measured on a processor without bfloat16")
    assert 0.02 < load_or_measure_gain("convolution") < 50


def test_a_measured_gain_is_kept_for_the_next_process(kept, monkeypatch):
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: 1.5)
    assert load_or_measure_gain("convolution") == 1.5
    (file,) = kept.iterdir()
    assert json.loads(file.read_text()) == {"kind": "convolution", "gain": 1.5}
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: pytest.fail("measured again"))
    load_or_measure_gain.cache_clear()
    assert load_or_measure_gain("convolution") == 1.5


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"gain": "fast"}'])
def test_a_damaged_measurement_is_made_anew(kept, monkeypatch, damage):
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: 1.5)
    load_or_measure_gain("dense")
    (file,) = kept.iterdir()
    file.write_text(damage)
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: 2.5)
    load_or_measure_gain.cache_clear()
    assert load_or_measure_gain("dense") == 2.5


def test_without_a_place_to_keep_it_measuring_goes_on(kept, monkeypatch):
    (kept / "file").write_text("")
    monkeypatch.setattr(precision, "get_cache_folder", lambda: kept / "file")
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: 1.5)
    assert load_or_measure_gain("dense") == 1.5


@pytest.mark.parametrize("gain", [0.9, 2.0])
@pytest.mark.backend
def test_the_recipe_that_comes_back_says_what_was_done_and_repeats_it(digits, monkeypatch, gain):
    monkeypatch.setattr(precision, "load_or_measure_gain", lambda kind: gain)
    monkeypatch.setattr(precision, "is_gain_possible", lambda: True)
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    recipe = plan(Recipe(architecture="cnn", epochs=1, batch=64, augment="none"), digits[0].images)
    first = fit(*digits, recipe, progress=NO_PROGRESS)
    assert first.recipe.precision == (BFLOAT16_POLICY if gain > 1 else "float32")
    assert {layer.compute_dtype for layer in first.classifier.model.layers} == {"float32"}
    second = fit(*digits, first.recipe, progress=NO_PROGRESS)
    assert second.recipe == first.recipe
    assert second.history.epochs[0].loss == pytest.approx(first.history.epochs[0].loss, rel=1e-3)
