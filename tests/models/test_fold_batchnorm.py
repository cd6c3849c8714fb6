"""A folded model answers as the model does."""

from __future__ import annotations

import numpy as np
import pytest

from striate.models.architecture import build_model
from striate.models.fold_batchnorm import fold_batch_norm
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

layers = keras.layers


def _unsettled(model):
    """Gives every batch-norm scales, offsets and statistics that show whether they were kept."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            spread = {"gamma": (0.5, 2), "beta": (-1, 1), "moving_mean": (-1, 1), "moving_variance": (0.5, 2)}
            layer.set_weights([rng.uniform(*spread[weight.name], weight.shape) for weight in layer.weights])
    return model


def _norms(model):
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)


def _compare(model, new, tolerance=1e-4):
    shape = (4, *model.input_shape[1:])
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)
    expected, found = (np.asarray(one.predict_on_batch(pixels), np.float32) for one in (model, new))
    assert expected.shape == found.shape
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("vgg-small", 0),
        ("resnet20", 0),
        pytest.param("googlenet", 0, marks=pytest.mark.slow),
        ("mobilenet", 0),
        ("cnn", 0),
        ("lenet", 0),
        pytest.param("densenet121", 62, marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_small", 0, marks=pytest.mark.slow),
    ],
)
def test_models_prediction_the_same(name, left):
    if (
        name in ("googlenet", "densenet121", "mobilenet", "mobilenet_v3_small")
        and keras.backend.backend() != "tensorflow"
    ):
        pytest.skip("takes long to compile, and shows nothing new")
    set_seed(0)
    model = _unsettled(build_model(ARCHITECTURES[name], (32, 32, 3), 5))
    new = fold_batch_norm(model)
    assert _norms(new) == left
    _compare(model, new)


@pytest.mark.backend
def test_a_convolutions_own_bias_is_scaled_too():
    images = keras.Input((8, 8, 2))
    x = layers.Conv2D(3, 3, bias_initializer=keras.initializers.Constant(300.0))(images)
    model = _unsettled(keras.Model(images, layers.BatchNormalization()(x)))
    new = fold_batch_norm(model)
    assert _norms(new) == 0
    _compare(model, new)


def test_half_precision_predictions_nearly_the_same():
    model = _unsettled(build_model(ARCHITECTURES["vgg-small"], (16, 16, 1), 3))
    new = fold_batch_norm(model, "bfloat16")
    assert {layer.compute_dtype for layer in new.layers if layer.weights} == {"bfloat16"}
    _compare(model, new, 0.05)


@pytest.mark.backend
@pytest.mark.parametrize("case", ["activated", "read twice", "shared", "pooled", "an output", "bias", "no scale"])
def test_only_what_can_be_folded_is(case):
    x = images = keras.Input((8, 8, 2))
    convolution = layers.Conv2D(2, 3, padding="same", activation="relu" if case == "activated" else None)
    y = convolution(x)
    if case == "shared":
        y = convolution(y)
    norm = layers.BatchNormalization(scale=case != "no scale", center=case != "bias")
    z = norm(layers.MaxPooling2D(2)(y) if case == "pooled" else y)
    if case == "read twice":
        z = layers.Add()([y, z])
    out = layers.GlobalAveragePooling2D()(z)
    model = _unsettled(keras.Model(images, [y, out] if case == "an output" else out))
    new = fold_batch_norm(model)
    assert _norms(new) == (0 if case in ("bias", "no scale") else 1)
    if case == "an output":
        model, new = (keras.Model(one.input, one.outputs[1]) for one in (model, new))
    _compare(model, new)


def test_a_model_within_the_model_is_taken_as_it_is():
    inner = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3)(inner))
    x = images = keras.Input((8, 8, 3))
    x = keras.Model(inner, layers.BatchNormalization()(layers.Conv2D(4, 3)(inner)), name="inner")(x)
    model = keras.Model(images, layers.GlobalAveragePooling2D()(x))
    _compare(model, fold_batch_norm(model))


def test_the_model_itself_stays_as_it_was():
    model = _unsettled(build_model(ARCHITECTURES["vgg-small"], (8, 8, 1), 3))
    before, config = model.get_weights(), model.get_config()
    fold_batch_norm(model, "bfloat16")
    assert model.get_config() == config
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_that_was_compiled_with_an_optimizer_of_ones_own_is_no_harder():
    class Own(keras.optimizers.SGD):
        pass

    model = _unsettled(build_model(ARCHITECTURES["vgg-small"], (8, 8, 1), 3))
    model.compile(Own(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    new = fold_batch_norm(model)
    assert not new.compiled
    _compare(model, new)


def test_a_sequential_model_is_a_graph_too():
    x = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D()]
    model = _unsettled(keras.Sequential([keras.Input((8, 8, 3)), *x, layers.Dense(3)]))
    new = fold_batch_norm(model)
    assert _norms(new) == 0
    _compare(model, new)
