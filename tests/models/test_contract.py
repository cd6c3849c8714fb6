"""What every model promises, held against every row of ARCHITECTURES, on small images.

A row is built twice: in float32, for uneven color images of few classes, and in half precision, for square grayscale
ones of many. Everything runs eagerly, since tracing a deep model takes longer than the few steps it has to go.
"""

from __future__ import annotations

import gc
import math

import cv2
import numpy as np
import pytest

from striate.data.loaders.load import load_images
from striate.errors import ConfigError, UnknownNameError
from striate.models.architecture import (
    Architecture,
    build_model,
    build_without_weights,
    find_min_side,
    skip_weight_init,
)
from striate.models.cost import load_cost_table
from striate.models.registry import ARCHITECTURES, get_architecture
from striate.models.serialization import load_model, save_model
from striate.system.backend import ACTIVE_BACKEND, keras, set_seed

REPRESENTATIVES = (
    *("mlp", "lenet", "cnn-small", "cnn-fast", "alexnet", "vgg-small", "googlenet", "resnet20"),
    *("mobilenet_v2_0.35", "mobilenet_v3_small", "airbench-half"),
)
"""One light row for each kind of block, of those that learn in seconds: `make test` holds these against the whole
contract; `make contract` holds all rows against it."""

LIGHT = {
    "tensorflow": tuple(name for name in REPRESENTATIVES if name not in ("alexnet", "googlenet", "mobilenet_v3_small")),
    "torch": ("mlp", "lenet", "cnn-small", "cnn-fast", "vgg-small", "resnet20"),
    "jax": ("mlp", "lenet", "cnn-small"),
}
"""Backend → rows that `make test` holds against the contract there: a few seconds each. JAX crawls where it is not
compiled, and compiles deep models for minutes."""

SIDE = 28
STEPS = 60


HEAVY = ("alexnet", "googlenet", "mobilenet_v2_0.35", "mobilenet_v3_small")
"""Representatives that need long to learn their fifteen digits."""


def _built(slow):
    rows = [pytest.param(row, id=name, marks=[pytest.mark.slow] * slow(name)) for name, row in ARCHITECTURES.items()]
    return pytest.mark.parametrize("row", rows, scope="module")


def _is_slow(name):
    return name not in LIGHT[ACTIVE_BACKEND.name]


def _is_tried_slowly(name):
    return name not in REPRESENTATIVES or _is_slow(name)


built_row = _built(_is_slow)
tried_row = _built(_is_tried_slowly)
taught_row = _built(lambda name: name in HEAVY or _is_tried_slowly(name))
each_row = pytest.mark.parametrize("row", ARCHITECTURES.values(), ids=ARCHITECTURES)


def _side(row):
    return max(SIDE, load_cost_table()[row.name]["smallest_side"])


def _pictures(shape, count=4):
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels


def _answers(model, pixels, *, training=False):
    return keras.ops.convert_to_numpy(model(pixels, training=training))


def _kinds(model, kind):
    return [layer for layer in model.layers if type(layer).__name__ == kind]


def _after_the_disk(model, folder):
    save_model(model, folder / "network.json", folder / "weights.safetensors")
    return load_model(folder / "network.json", folder / "weights.safetensors")


@pytest.fixture(scope="module")
def network(row):
    """The row in float32, for color images of uneven sides and three classes, with dropout."""
    set_seed(0)
    side = _side(row)
    yield build_model(row, (side, side + 5, 3), 3, dropout=0.3)
    gc.collect()  # thirty models and what trained them do not fit side by side


@pytest.fixture(scope="module")
def half(row):
    """The row in half precision, for grayscale images and 200 classes, without dropout."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        set_seed(0)
        side = _side(row)
        return build_model(row, (side, side, 1), 200, dropout=0.0)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.backend
@built_row
def test_bytes_and_numbers_go_in_and_the_same_finite_logits_come_out(row, network):
    pixels = _pictures(network.input_shape[1:])
    logits = _answers(network, pixels)
    assert logits.shape == (4, 3)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(logits, _answers(network, pixels.astype(np.float32)), rtol=1e-4, atol=1e-5)


@pytest.mark.backend
@built_row
def test_pixels_are_scaled_inside(row, network):
    scaled = keras.Model(network.input, network.get_layer("rescale").output)
    found = _answers(scaled, _pictures(network.input_shape[1:]))
    assert np.abs(found).max() < 3


@pytest.mark.backend
@built_row
def test_maps_and_the_vector_that_is_classified_have_their_names(row, network):
    assert len(network.get_layer("features").output.shape) == (2 if row.name == "mlp" else 4)
    assert len(network.get_layer("embedding").output.shape) == 2
    assert network.layers[-1].output.shape == (None, 3)


@pytest.mark.backend
@tried_row
def test_a_model_survives_the_disk_with_equal_output(row, network, tmp_path):
    pixels = _pictures(network.input_shape[1:])
    again = _after_the_disk(network, tmp_path)
    np.testing.assert_array_equal(_answers(network, pixels), _answers(again, pixels))


@pytest.mark.backend
@tried_row
def test_dropout_is_there_when_asked_for_and_works_while_training(row, network, half):
    assert len(_kinds(network, "Dropout")) > len(_kinds(half, "Dropout")), "none is added"
    assert max(layer.rate for layer in _kinds(network, "Dropout")) == 0.3
    pixels, before = _pictures(network.input_shape[1:]), network.get_weights()
    for layer in _kinds(network, "DepthwiseConv2D"):
        if layer.name.endswith("_scale"):  # ConvNeXt's branches begin at a millionth: nobody would miss one
            layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    one, two = (_answers(network, pixels, training=True) for _ in range(2))
    network.set_weights(before)
    assert not np.allclose(one, two, rtol=1e-3), "dropout does nothing while training"


@pytest.mark.backend
@tried_row
def test_half_precision_predictions_and_survives_the_disk(row, half, tmp_path):
    assert half.get_layer("embedding").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in half.trainable_variables} == {"float32"}
    pixels = _pictures(half.input_shape[1:])
    logits = _answers(half, pixels)
    assert logits.shape == (4, 200)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, _answers(_after_the_disk(half, tmp_path), pixels))


@pytest.mark.backend
@tried_row
def test_every_weight_gets_a_finite_gradient(row, network):
    pixels, labels = _digits(network.input_shape[1:])
    before = [weight.copy() for weight in network.get_weights()]
    assert math.isfinite(_compiled(network).train_on_batch(pixels, labels))
    trained = {variable.path for variable in network.trainable_variables}
    assert len(trained) == len(network.trainable_variables) > 0
    for variable, old, new in zip(network.weights, before, network.get_weights(), strict=True):
        assert np.isfinite(new).all(), f"{variable.path} is no longer finite after one step"
        assert variable.path not in trained or (new != old).any(), f"no gradient reaches {variable.path}"


@pytest.mark.backend
@taught_row
def test_a_model_learns_fifteen_digits(row, network):
    pixels, labels = _digits(network.input_shape[1:])
    model, losses = _compiled(network), []
    while len(losses) < STEPS and (len(losses) < 3 or max(losses[-2:]) > math.log(3) / 3):
        losses.append(float(model.train_on_batch(pixels, labels)))
    assert max(losses[-2:]) <= math.log(3) / 3, f"it does not learn: {losses}"


def _compiled(network):
    """Compiled once; Adam without its floor under the gradients, so that any but 0 moves a weight."""
    if not network.compiled:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.Adam(1e-3, epsilon=1e-12), loss, run_eagerly=True, jit_compile=False)
    return network


def _digits(shape):
    """Returns five each of the digits 0, 1 and 2, written by people, as images of `shape`, and their labels."""
    images = load_images("digits")
    chosen = np.concatenate([np.flatnonzero(images.labels == digit)[:5] for digit in range(3)])
    pixels = [cv2.resize(np.asarray(images.sources[number]), shape[1::-1]) for number in chosen]
    return np.stack([np.broadcast_to(one.reshape(*shape[:2], 1), shape) for one in pixels]), images.labels[chosen]


# ---- what needs no weights


def test_a_model_that_was_only_looked_at_never_gets_values():
    model = build_without_weights(ARCHITECTURES["vgg19"], (224, 224, 3), 1000)
    with keras.StatelessScope():  # at whose end Keras makes the values that it had put off
        keras.layers.Dense(1).build((None, 1))
    assert len(model.weights) == 38
    assert all(variable._value is None for variable in model.weights)


@built_row
def test_models_fit_other_sizes_channels_and_numbers_of_classes(row):
    least = load_cost_table()[row.name]["smallest_side"]
    for shape in ((least, least, row.native_shape[2]), (130, 115, 1)):
        assert build_without_weights(row, shape, 2).output_shape == (None, 2)


@pytest.mark.parametrize("name", ["lenet", "alexnet", "vgg11", "resnet20", "xception", "mobilenet_v3_small"])
def test_below_its_smallest_side_a_model_is_refused_with_that_side(name):
    row, least = ARCHITECTURES[name], load_cost_table()[name]["smallest_side"]
    with skip_weight_init(), pytest.raises(ConfigError, match="too small") as caught:
        build_model(row, (least - 1, least + 40, row.native_shape[2]), 2)
    assert f"at least {least} on each side" in str(caught.value)


@each_row
def test_a_row_tells_who_when_and_where(row):
    assert ARCHITECTURES[row.name] is row
    assert row.title
    assert row.authors
    assert 1940 < row.year < 2100
    assert len(row.source) > 10
    assert row.description.endswith(".")
    assert 0 <= row.dropout < 1


# ---- architectures of one's own


def _own(**names):
    def make(shape, classes, dropout, seed):
        images = keras.Input(shape)
        x = keras.layers.MaxPooling2D(4, padding="valid")(images)
        x = keras.layers.Flatten(name=names.get("features", "features"))(x)
        x = keras.layers.Dense(4, name=names.get("embedding", "embedding"))(x)
        return keras.Model(images, keras.layers.Dense(names.get("classes", classes))(x))

    return Architecture("own", make, "of my own", "me", 2024, "nowhere in particular", "It is mine.")


def test_an_architecture_of_ones_own_is_built_like_any_other():
    assert build_model(_own(), (4, 4, 1), 3).output_shape == (None, 3)


def test_images_too_small_for_an_architecture_of_ones_own_are_refused():
    assert find_min_side(_own()) == 4
    with pytest.raises(ConfigError, match="too small for the model own") as caught:
        build_model(_own(), (3, 9, 1), 3)
    assert "3×9 pixels" in str(caught.value)
    assert "at least 4" in str(caught.value)


@pytest.mark.parametrize("missing", ["features", "embedding"])
def test_an_architecture_without_a_named_layer_is_refused(missing):
    with pytest.raises(ConfigError, match=f"no layer named '{missing}'"):
        build_model(_own(**{missing: "something_else"}), (4, 4, 1), 3)


def test_an_architecture_with_another_number_of_outputs_is_refused():
    with pytest.raises(ConfigError, match="one logit per class") as caught:
        build_model(_own(classes=7), (4, 4, 1), 3)
    assert "(None, 7)" in str(caught.value)
    assert "(None, 3)" in str(caught.value)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Try: lenet"):
        get_architecture("le-net")
    assert get_architecture("lenet") is ARCHITECTURES["lenet"]
    assert get_architecture(_own()).name == "own"
