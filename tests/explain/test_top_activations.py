"""What excites units: planted patterns are found where they lie, images made for a unit beat every other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from striate.cli import main
from striate.errors import ConfigError
from striate.explain.activation_maximization import maximize_activation
from striate.explain.plots import draw_top_activations, select_units
from striate.explain.top_activations import find_top_activations, find_unit_layer
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras


def planted():
    """Returns a model whose first unit looks for a cross of 3×3, the second for a bar; the third is dead."""
    image = keras.Input((20, 20, 1))
    layer = keras.layers.Conv2D(3, 3, activation="relu", name="found")
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(layer(image))))
    kernel = np.zeros((3, 3, 1, 3), np.float32)
    kernel[:, :, 0, 0] = [[-1, 1, -1], [1, 1, 1], [-1, 1, -1]]
    kernel[:, :, 0, 1] = [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]]
    layer.set_weights([kernel, np.array([0, 0, -1e6], np.float32)])
    return model, layer


@pytest.fixture(scope="module")
def crossed():
    """Returns 70 images of faint noise; the 66th has a cross in it."""
    pixels = np.random.default_rng(0).integers(0, 40, (70, 20, 20, 1), dtype=np.uint8)
    pixels[65, 5:8, 11:14, 0] = np.array([[0, 255, 0], [255, 255, 255], [0, 255, 0]])
    return pixels


def test_a_planted_pattern_is_found_where_it_lies(crossed):
    model, layer = planted()
    found = find_top_activations(model, layer, crossed, images_per_unit=3)
    assert found.image_indices[0, 0] == 65
    assert found.positions[0, 0].tolist() == [5, 11]
    assert found.values[0, 0] == 5 * 255
    assert (np.diff(found.values, axis=1) <= 0).all()
    assert found.crop(crossed[65], 0, 0)[:, :, 0].tolist() == crossed[65, 5:8, 11:14, 0].tolist()
    assert found.is_dead.tolist() == [False, False, True]
    assert select_units(found) == [0, 1]


def test_an_image_made_for_a_unit_excites_it_more_than_any_other(crossed):
    model, layer = planted()
    found = find_top_activations(model, layer, crossed, images_per_unit=1)
    made = maximize_activation(model, layer, [0, 1], (20, 20, 1), steps=40)
    assert made.pixels.shape == (2, 20, 20, 1)
    assert (made.values > 2 * found.max_means[:2]).all()
    again = maximize_activation(model, layer, [0, 1], (20, 20, 1), steps=40)
    assert np.array_equal(made.pixels, again.pixels)
    bars = made.pixels[1, 4:16, 4:16, 0].astype(float)  # rows are alike along themselves, and unlike their neighbors
    assert np.abs(np.diff(bars, axis=1)).mean() < 0.5 * np.abs(np.diff(bars, axis=0)).mean()


def test_a_trained_models_units_agree_with_its_layers(digits_run, tmp_path):
    from striate.data.loaders.load import load_images

    images = load_images("digits")
    model = digits_run.classifier.model
    pixels = np.stack([digits_run.classifier.preprocessing(images.get_source(at)) for at in range(200)])
    logits = find_top_activations(model, find_unit_layer(model, "logits"), pixels, images_per_unit=200)
    assert logits.receptive_field is None
    own = digits_run.classifier.predict_log_probabilities(pixels)
    order = np.argsort(logits.image_indices[3])
    assert spearmanr(logits.values[3][order], own[:, 3]).statistic > 0.8
    found = find_top_activations(model, find_unit_layer(model), pixels, images_per_unit=4)
    made = maximize_activation(
        model, find_unit_layer(model), [0, 5], digits_run.classifier.preprocessing.shape, steps=30
    )
    labels = [images.classes[label] for label in images.labels[:200]]
    figure = draw_top_activations(found, pixels, [0, 5], made, labels)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "made for it"
    assert len(titles) == 10


@pytest.mark.backend
def test_units_of_a_nested_model_are_reached():
    inner = build_model(ARCHITECTURES["lenet"], (28, 28, 1), 10)
    inner = keras.Model(inner.input, inner.get_layer("s2").output, name="backbone")
    image = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(inner(image))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(flat))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    layer = find_unit_layer(model, "c1")
    found = find_top_activations(model, layer, pixels, images_per_unit=2)
    assert found.values.shape == (6, 2)
    assert found.crop(pixels[0], 0, 0).shape[2] == 1
    made = maximize_activation(model, layer, [2], (28, 28, 1), steps=20)
    assert made.values[0] > found.max_means[2]
    with pytest.raises(ConfigError, match="no such layer"):
        find_unit_layer(model, "nothing")


def test_the_command_draws_and_counts(digits_run, tmp_path, monkeypatch, capsys):
    import json

    monkeypatch.chdir(tmp_path)
    words = ["units", str(digits_run.path), "--unit", "3", "--unit", "7", "--top", "4", "--maximize", "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["unit"] for row in said["units"]] == [3, 7]
    assert len(said["units"][0]["images"]) == 4
    assert said["n"] == digits_run.report.n
    assert {row["layer"] for row in said["dead"]} == {"conv", "embedding"}
    assert (tmp_path / "units.png").stat().st_size > 10_000
    assert main(["units", str(digits_run.path), "--unit", "99999"]) == 2
    assert "no such unit" in capsys.readouterr().err
