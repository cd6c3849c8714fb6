"""TensorFlow's fused batch-norm does what Keras' own does, and is gone when the training is."""

from __future__ import annotations

import numpy as np
import pytest

from striate.system.backend import keras
from striate.training.performance.batch_norm import iter_leaf_layers, use_fused_batch_norm

pytestmark = pytest.mark.backend
layers = keras.layers
on_tensorflow = keras.backend.backend() == "tensorflow"
needs_tensorflow = pytest.mark.skipif(not on_tensorflow, reason="TensorFlow's kernel")


def _model(policy="float32", *, inner=False, **options):
    keras.utils.set_random_seed(0)
    x = images = keras.Input((8, 6, 3))
    x = layers.Conv2D(5, 3, dtype=policy)(x)
    if inner:
        within = keras.Input(x.shape[1:])
        x = keras.Model(within, layers.BatchNormalization(name="norm", dtype=policy, **options)(within))(x)
    else:
        x = layers.BatchNormalization(name="norm", dtype=policy, **options)(x)
    x = layers.GlobalAveragePooling2D(dtype=policy)(layers.ReLU(dtype=policy)(x))
    model = keras.Model(images, layers.Dense(2, dtype="float32")(x))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, jit_compile=False)
    return model


def _norm(model):
    return next(layer for layer in iter_leaf_layers(model) if layer.name == "norm")


def _trained(model, steps=8):
    rng = np.random.default_rng(1)
    x = rng.normal(2, 3, (16, 8, 6, 3)).astype(np.float32)
    y = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 16)]
    losses = [float(model.train_on_batch(x, y)) for _ in range(steps)]
    return losses, model.get_weights(), model.evaluate(x, y, verbose=0)


CASES = [{}, {"scale": False}, {"center": False}, {"momentum": 0.6, "epsilon": 1e-5}, {"inner": True}]


@needs_tensorflow
@pytest.mark.parametrize("options", CASES, ids=str)
def test_the_same_steps_are_made_and_the_same_statistics_kept(options):
    expected = _trained(_model(**options))
    model = _model(**options)
    with use_fused_batch_norm(model):
        found = _trained(model)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5)
    assert found[2] == pytest.approx(expected[2], rel=1e-3)


@needs_tensorflow
def test_half_precision_makes_the_same_steps_within_its_three_digits():
    expected = _trained(_model("mixed_bfloat16"))
    model = _model("mixed_bfloat16")
    with use_fused_batch_norm(model):
        found = _trained(model)
    np.testing.assert_allclose(found[0], expected[0], rtol=0.03)
    assert {weight.dtype for weight in found[1]} == {np.dtype(np.float32)}


@needs_tensorflow
def test_a_frozen_layer_keeps_its_statistics_and_lets_gradients_through():
    model = _model()
    _norm(model).trainable = False
    model.compile("sgd", model.loss, jit_compile=False)
    before, kernel = _norm(model).get_weights(), model.layers[1].get_weights()[0]
    with use_fused_batch_norm(model):
        _trained(model)
    for one, other in zip(before, _norm(model).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(model.layers[1].get_weights()[0] - kernel).max() > 1e-4


def test_the_layer_is_plain_keras_again_afterwards_whatever_happened():
    model = _model()
    with pytest.raises(RuntimeError, match="midway"), use_fused_batch_norm(model):
        assert ("call" in vars(_norm(model))) == on_tensorflow
        raise RuntimeError("midway")
    assert "call" not in vars(_norm(model))
    before = _trained(_model())
    np.testing.assert_allclose(_trained(model)[0], before[0], rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"axis": 2}, {"synchronized": True} if on_tensorflow else {"axis": 2}], ids=str
)
def test_another_kind_of_batch_norm_is_left_alone(options):
    model = _model(**options)
    with use_fused_batch_norm(model):
        assert "call" not in vars(_norm(model))
