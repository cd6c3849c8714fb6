"""A whitened first convolution: what comes out of it is spread evenly and does not hang together."""

from __future__ import annotations

import numpy as np
import pytest

from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed
from striate.training.auto_config import plan
from striate.training.fit import fit
from striate.training.performance import whitening
from striate.training.performance.whitening import init_whitening_layer
from striate.training.recipe import Recipe


def _pictures(count, side, channels):
    """Smooth random images: neighboring pixels be similar to each other, as real ones do."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (count, side + 4, side + 4, channels))
    smooth = sum(noise[:, y : y + side, x : x + side] for y in range(5) for x in range(5))
    return np.clip(100 + 12 * smooth, 0, 255).astype(np.uint8)


def _responses(model, pixels):
    inner = keras.Model(model.input, model.get_layer("whiten").output)
    maps = np.asarray(inner.predict_on_batch(pixels), np.float64)
    return maps.reshape(-1, maps.shape[-1])


@pytest.mark.parametrize(("side", "channels"), [(16, 3), (28, 1), (48, 3)])
def test_responses_are_white_and_come_in_opposite_pairs(side, channels):
    set_seed(0)
    model, pixels = build_model(ARCHITECTURES["airbench"], (side, side, channels), 3), _pictures(64, side, channels)
    before = _responses(model, pixels)
    init_whitening_layer(model, pixels, seed=0)
    found = _responses(model, pixels)
    half = found.shape[1] // 2
    np.testing.assert_allclose(found[:, half:], -found[:, :half], atol=1e-3)
    covariance = np.cov(found[:, :half], rowvar=False)
    off = covariance - np.diag(np.diag(covariance))
    assert np.abs(off).max() < 0.1 < np.abs(np.corrcoef(before, rowvar=False) - np.eye(2 * half)).max()
    assert 0.3 < np.diag(covariance).min() <= np.diag(covariance).max() < 1.15
    assert np.abs(found.mean(axis=0)).max() < 0.1


@pytest.mark.backend
def test_it_follows_from_the_images_and_the_seed_alone(monkeypatch):
    monkeypatch.setattr(whitening, "SAMPLE_SIZE", 10)
    pixels, kernels = _pictures(40, 12, 3), []
    for seed in (0, 0, 1):
        model = build_model(ARCHITECTURES["airbench"], (12, 12, 3), 3)
        init_whitening_layer(model, pixels, seed)
        kernels.append(model.get_layer("whiten").get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 1e-3


def test_a_model_without_such_a_layer_is_left_alone():
    model = build_model(ARCHITECTURES["cnn"], (12, 12, 3), 3)
    before = model.get_weights()
    init_whitening_layer(model, _pictures(4, 12, 3), seed=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.backend
def test_images_all_alike_give_finite_filters():
    model = build_model(ARCHITECTURES["airbench"], (12, 12, 3), 3)
    init_whitening_layer(model, np.full((3, 12, 12, 3), 7, np.uint8), seed=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_it_rests_through_the_training_and_is_in_the_classifier(digits, precision):
    settings = {"architecture": "airbench", "epochs": 1, "batch": 64, "augment": "none", "precision": precision}
    trained = fit(*digits, plan(Recipe(**settings), digits[0].images))
    expected = build_model(ARCHITECTURES["airbench"], digits[0].pixels.shape[1:], 10)
    init_whitening_layer(expected, digits[0].pixels, seed=0)
    kernel, bias = trained.classifier.model.get_layer("whiten").get_weights()
    np.testing.assert_array_equal(kernel, expected.get_layer("whiten").get_weights()[0])
    np.testing.assert_array_equal(bias, expected.get_layer("whiten").get_weights()[1])


@pytest.mark.parametrize("name", ["airbench", "airbench-half"])
def test_the_convolutions_begin_by_handing_their_maps_on(name):
    set_seed(0)
    model = build_model(ARCHITECTURES[name], (32, 32, 3), 10)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D) or layer.name == whitening.WHITENING_LAYER:
            continue
        *_, given, made = layer.kernel.shape
        maps = rng.normal(0, 1, (2, 6, 6, given)).astype(np.float32)
        out = keras.ops.convert_to_numpy(layer(maps))
        shared = min(given, made)
        np.testing.assert_allclose(out[..., :shared], maps[..., :shared], rtol=1e-6)
        if made > given:
            assert out[..., given:].std() > 0.1
