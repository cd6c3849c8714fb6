"""The arithmetic of a training: measured once, kept, and never imposed."""

from __future__ import annotations

import json

import pytest

from striate.backend import keras
from striate.models.architecture import build
from striate.models.architectures import ARCHITECTURES
from striate.progress import SILENT, Progress
from striate.training import precision
from striate.training.plan import plan
from striate.training.precision import ENOUGH, HALF, fastest, gain_of, kind_of
from striate.training.recipe import Recipe
from striate.training.train import fit


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """The folder of what was measured, empty, and nothing remembered before or after."""
    monkeypatch.setattr(precision, "cache_folder", lambda: tmp_path)
    gain_of.cache_clear()
    yield tmp_path
    gain_of.cache_clear()


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
def test_networks_differ_by_their_layers(name, kind):
    assert kind_of(build(ARCHITECTURES[name], (96, 96, 3), 10)) == kind


@pytest.mark.parametrize("gain", [0.5, ENOUGH - 0.01, ENOUGH, 3.0])
def test_half_precision_is_taken_where_it_is_clearly_faster_and_said(monkeypatch, gain):
    if keras.backend.backend() == "jax":
        pytest.skip("float32 without measuring, on a processor")
    said = []

    class Say(Progress):
        def say(self, line):
            said.append(line)

    monkeypatch.setattr(precision, "gain_of", lambda kind: gain)
    policy = fastest(build(ARCHITECTURES["cnn"], (8, 8, 1), 10), Say())
    assert policy == (HALF if gain >= ENOUGH else "float32")
    assert [f"{gain:.1f} times" in line for line in said] == ([True] if gain >= ENOUGH else [])


@pytest.mark.backend
def test_a_gain_is_measured_once_a_machine(kept, monkeypatch):
    if keras.backend.backend() == "jax":
        pytest.skip("never measured on a processor")
    assert 0.02 < gain_of("convolution") < 50
    (file,) = kept.iterdir()
    assert json.loads(file.read_text()) == {"kind": "convolution", "gain": gain_of("convolution")}
    monkeypatch.setattr(precision, "_measured", lambda kind: pytest.fail("measured again"))
    gain_of.cache_clear()
    gain_of("convolution")


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"gain": "fast"}'])
def test_a_damaged_measurement_is_made_anew(kept, monkeypatch, damage):
    monkeypatch.setattr(precision, "_measured", lambda kind: 1.5)
    gain_of("dense")
    (file,) = kept.iterdir()
    file.write_text(damage)
    monkeypatch.setattr(precision, "_measured", lambda kind: 2.5)
    gain_of.cache_clear()
    assert gain_of("dense") == 2.5


def test_without_a_place_to_keep_it_measuring_goes_on(kept, monkeypatch):
    (kept / "file").write_text("")
    monkeypatch.setattr(precision, "cache_folder", lambda: kept / "file")
    monkeypatch.setattr(precision, "_measured", lambda kind: 1.5)
    assert gain_of("dense") == 1.5


@pytest.mark.parametrize("gain", [0.9, 2.0])
@pytest.mark.backend
def test_the_recipe_that_comes_back_says_what_was_done_and_repeats_it(digits, monkeypatch, gain):
    monkeypatch.setattr(precision, "gain_of", lambda kind: gain)
    recipe = plan(Recipe(architecture="cnn", epochs=1, batch=64, augment="none"), digits[0].images)
    first = fit(*digits, recipe, progress=SILENT)
    is_half = gain > 1 and keras.backend.backend() != "jax"
    assert first.recipe.precision == (HALF if is_half else "float32")
    assert {layer.compute_dtype for layer in first.classifier.model.layers} == {"float32"}
    second = fit(*digits, first.recipe, progress=SILENT)
    assert second.recipe == first.recipe
    assert second.history.epochs[0].loss == pytest.approx(first.history.epochs[0].loss, rel=1e-3)
