"""What each layer makes of an image equals what Keras computes, and filters are the layer's kernels."""

from __future__ import annotations

import numpy as np
import pytest

from striate.errors import ConfigError
from striate.explain.feature_maps import FeatureMaps, compute_feature_maps, get_first_filters
from striate.explain.plots import MAX_FILTERS_DRAWN, MAX_LAYERS_DRAWN, draw_feature_maps, draw_filters
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def resnet():
    set_seed(0)
    return build_model(ARCHITECTURES["resnet20"], (32, 32, 3), 4)


@pytest.mark.backend
def test_maps_are_what_keras_computes_of_every_layer(resnet):
    found = compute_feature_maps(resnet, PICTURE)
    names = [one.layer for one in found]
    assert names[0] == "stem_relu"
    assert names[-1] == "features"
    outputs = [resnet.get_layer(name).output for name in names]
    expected = keras.Model(resnet.input, outputs)(PICTURE[None].astype(np.float32), training=False)
    for one, values in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, keras.ops.convert_to_numpy(values)[0], atol=1e-4)
        assert "call" not in vars(resnet.get_layer(one.layer))


@pytest.mark.backend
def test_maps_inside_a_model_inside_the_model_are_found():
    pixels = keras.Input((32, 32, 3))
    inner = keras.Model(pixels, keras.layers.Conv2D(5, 3, activation="relu", name="inside")(pixels))
    model = keras.Sequential([keras.Input((32, 32, 3)), inner, keras.layers.Flatten(), keras.layers.Dense(2)])
    (found,) = compute_feature_maps(model, PICTURE)
    assert (found.layer, found.values.shape) == ("inside", (30, 30, 5))
    expected = keras.ops.convert_to_numpy(inner(PICTURE[None].astype(np.float32)))[0]
    np.testing.assert_allclose(found.values, expected, atol=1e-3)
    assert get_first_filters(model)[0] == "inside"


@pytest.mark.backend
def test_filters_are_the_first_kernels_one_image_each(resnet):
    name, kernels = get_first_filters(resnet)
    assert name == "stem_conv"
    kernel = keras.ops.convert_to_numpy(resnet.get_layer("stem_conv").kernel)
    assert kernels.shape == (16, 3, 3, 3)
    np.testing.assert_array_equal(kernels[5], kernel[:, :, :, 5])


def test_a_model_without_convolutions_has_neither():
    model = build_model(ARCHITECTURES["mlp"], (32, 32, 3), 4)
    with pytest.raises(ConfigError, match="no filters to show"):
        get_first_filters(model)
    with pytest.raises(ConfigError, match="no maps"):
        compute_feature_maps(model, PICTURE)


def test_figures_show_no_more_than_fits(resnet):
    found = compute_feature_maps(resnet, PICTURE)
    assert len(found) > MAX_LAYERS_DRAWN
    drawn = draw_feature_maps(PICTURE, found, "Title")
    shown = [ax for ax in drawn.axes if ax.images]
    assert len(shown) == 1 + MAX_LAYERS_DRAWN * 12
    titles = [ax.get_title(loc="left") for ax in shown]
    assert titles[0] == "the image"
    assert titles[1].startswith("stem_relu  32×32×16\n")
    assert titles[-12].startswith("features  8×8×64\n")
    many = draw_filters("conv", np.random.default_rng(1).normal(size=(96, 7, 7, 1)).astype(np.float32))
    assert len([ax for ax in many.axes if ax.images]) == MAX_FILTERS_DRAWN
    assert "64 of 96 filters of 7×7" in many.get_suptitle()


def test_the_strongest_maps_are_shown_and_an_even_one_is_bright():
    values = np.zeros((4, 4, 20), np.float32)
    values[:, :, 17] = 3
    drawn = draw_feature_maps(PICTURE, [FeatureMaps("layer", "ReLU", values)], "Title")
    (shown,) = [ax.images[0] for ax in drawn.axes if ax.images and ax.get_title(loc="left").endswith("\n17")]
    assert shown.norm(3.0) == 1
