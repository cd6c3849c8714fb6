"""The fast forward pass answers as the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from striate.models.architecture import build_model
from striate.models.predictor import MIN_COMPILED_BATCH, CompiledPredictor, compile_predict_function
from striate.models.registry import ARCHITECTURES
from striate.system.backend import ACTIVE_BACKEND, keras, set_seed

pytestmark = pytest.mark.backend

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def model():
    set_seed(0)
    model = build_model(ARCHITECTURES["cnn"], (16, 16, 3), 3, dropout=0.5)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 1, layer.moving_mean.shape).astype(np.float32))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape).astype(np.float32))
    return model


def test_predictions_are_those_of_predict_for_batches_of_any_size(model):
    prediction = compile_predict_function(model)
    for count in (6, 1, 4):
        expected = model.predict_on_batch(PIXELS[:count])
        found = prediction(PIXELS[:count])
        assert isinstance(found, np.ndarray) and found.shape == (count, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 1e-3


def test_asked_for_again_it_sees_new_weights(model):
    before = compile_predict_function(model)(PIXELS)
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel, bias + 1])
    np.testing.assert_allclose(compile_predict_function(model)(PIXELS), before + 1, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="only there are weights made constants")
def test_the_weights_are_those_of_the_moment(model):
    prediction = compile_predict_function(model)
    before = prediction(PIXELS)
    model.get_layer("logits").set_weights([np.zeros_like(one) for one in model.get_layer("logits").get_weights()])
    np.testing.assert_array_equal(prediction(PIXELS), before)


def test_nothing_is_drawn_and_no_statistics_move(model):
    before = [weight.copy() for weight in model.get_weights()]
    one, two = (compile_predict_function(model)(PIXELS) for _ in range(2))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_half_precision_comes_out_as_numbers():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(ARCHITECTURES["cnn"], (16, 16, 3), 3)
    finally:
        keras.config.set_dtype_policy(before)
    inner = keras.Model(model.input, model.get_layer("embedding").output)
    found = np.empty((6, inner.output_shape[1]), np.float32)
    found[:] = compile_predict_function(inner)(PIXELS)
    assert np.isfinite(found).all() and found.std() > 0


@pytest.mark.parametrize("count", [1, 4, MIN_COMPILED_BATCH])
def test_predictions_follow_the_weights_whatever_the_number_of_images(model, count):
    pixels = np.resize(PIXELS, (count, *PIXELS.shape[1:]))
    predictions = CompiledPredictor(model)
    for change in (0.0, 1.0, 1.0):
        kernel, bias = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([kernel, bias + change])
        expected = model.predict_on_batch(pixels)
        np.testing.assert_allclose(predictions.get_predict_function()(pixels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="only there are weights made constants")
def test_a_large_batch_is_compiled_once_as_long_as_the_weights_stay(model, monkeypatch):
    from striate.models import predictor

    made = []
    monkeypatch.setattr(
        predictor, "compile_predict_function", lambda model: made.append(model) or compile_predict_function(model)
    )
    predictions, pixels = CompiledPredictor(model), np.resize(PIXELS, (MIN_COMPILED_BATCH, *PIXELS.shape[1:]))
    for _ in range(3):
        predictions.get_predict_function()(pixels)
    assert len(made) == 1
    model.get_layer("logits").set_weights([np.zeros_like(one) for one in model.get_layer("logits").get_weights()])
    predictions.get_predict_function()(pixels)
    assert len(made) == 2


def test_a_model_that_is_no_graph_of_layers_is_taken_as_it_is():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

        def call(self, pictures):
            return self.dense(self.flat(keras.ops.cast(pictures, "float32")))

    model, pixels = Own(), np.resize(PIXELS, (MIN_COMPILED_BATCH, *PIXELS.shape[1:]))
    expected = model.predict_on_batch(pixels)
    np.testing.assert_allclose(compile_predict_function(model)(pixels), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(CompiledPredictor(model).get_predict_function()(pixels), expected, rtol=1e-4, atol=1e-3)
