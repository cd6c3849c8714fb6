"""What every network promises, held against every row of ARCHITECTURES."""

from __future__ import annotations

import math

import numpy as np
import pytest

from striate.backend import keras, set_seed
from striate.errors import ConfigError, UnknownNameError
from striate.images.sources.load import load_images
from striate.models.architecture import Architecture, build
from striate.models.architectures import ARCHITECTURES, architecture_named
from striate.network import load_network, save_network

pytestmark = [
    pytest.mark.backend,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' own, on NumPy 2
]

ROWS = list(ARCHITECTURES.values())
SHAPES = [(8, 8, 1), (28, 28, 1), (64, 64, 3), (1, 1, 1), (5, 40, 3)]
WEIGHTS = [
    ("lenet", (32, 32, 1), 61_706),
    ("mlp", (28, 28, 1), 535_818),
    ("cnn-small", (28, 28, 1), 592_074),
    ("cnn", (28, 28, 1), 1_199_882),
]

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def _pictures(shape, count=4):
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels


@every_row
@pytest.mark.parametrize("classes", [2, 200])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_a_network_of_any_size_answers_and_learns(row, shape, classes):
    set_seed(0)
    model = build(row, shape, classes, dropout=0.3)
    pixels = _pictures(shape)
    logits = np.asarray(model.predict_on_batch(pixels))
    assert logits.shape == (4, classes)
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() < 100, "0..255 went in without being normalised"
    assert {"features", "embedding"} <= {layer.name for layer in model.layers}
    assert len(model.get_layer("embedding").output.shape) == 2

    before = [weight.copy() for weight in model.get_weights()]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True, jit_compile=False)
    model.train_on_batch(pixels, np.eye(classes, dtype=np.float32)[np.arange(4) % classes])
    names = {variable.path for variable in model.trainable_variables}
    assert len(names) == len(model.trainable_variables) > 0
    for variable, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert np.isfinite(new).all(), f"{variable.path} is no longer finite after one step"
        if variable.path in names:
            assert (new != old).any(), f"no gradient reaches {variable.path}"


@every_row
def test_the_same_picture_as_bytes_and_as_numbers_gives_the_same_logits(row):
    set_seed(0)
    model = build(row, (8, 8, 1), 10)
    pixels = _pictures((8, 8, 1))
    np.testing.assert_allclose(
        np.asarray(model.predict_on_batch(pixels)),
        np.asarray(model.predict_on_batch(pixels.astype(np.float32))),
        rtol=1e-5,
        atol=1e-6,
    )


@every_row
@pytest.mark.parametrize("shape", [(8, 8, 1), (40, 5, 3)], ids=lambda shape: "x".join(map(str, shape)))
def test_a_network_survives_the_disk_with_equal_output(row, shape, tmp_path):
    set_seed(0)
    model = build(row, shape, 3, dropout=0.25)
    save_network(model, tmp_path / "network.json", tmp_path / "weights.safetensors")
    again = load_network(tmp_path / "network.json", tmp_path / "weights.safetensors")
    pixels = _pictures(shape)
    np.testing.assert_array_equal(
        np.asarray(model.predict_on_batch(pixels)), np.asarray(again.predict_on_batch(pixels))
    )


@every_row
def test_half_precision_builds_answers_and_survives_the_disk(row, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        set_seed(0)
        model = build(row, (28, 28, 1), 10)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("embedding").compute_dtype == "bfloat16"
    assert model.get_layer("embedding").variable_dtype == "float32"
    assert model.get_layer("logits").compute_dtype == "float32"
    save_network(model, tmp_path / "network.json", tmp_path / "weights.safetensors")
    again = load_network(tmp_path / "network.json", tmp_path / "weights.safetensors")
    pixels = _pictures((28, 28, 1))
    one, two = (np.asarray(net.predict_on_batch(pixels)).astype(np.float32) for net in (model, again))
    assert one.shape == (4, 10)
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, two)


@every_row
def test_a_network_learns_three_hundred_digits(row):
    images = load_images("digits")
    pixels, labels = np.asarray(images.sources)[:300], images.labels[:300]
    set_seed(0)
    model = build(row, (8, 8, 1), 10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, jit_compile=False)
    losses = model.fit(pixels, labels, batch_size=32, epochs=15, verbose=0).history["loss"]
    assert losses[0] < 2 * math.log(10), "it begins far from guessing"
    assert losses[-1] < 0.25 * math.log(10), f"it does not learn: {losses}"


@pytest.mark.parametrize(("name", "shape", "weights"), WEIGHTS)
def test_the_number_of_weights_is_the_published_one(name, shape, weights):
    assert build(ARCHITECTURES[name], shape, 10).count_params() == weights


@every_row
def test_dropout_is_there_when_asked_for_and_off_when_answering(row):
    plain, dropped = build(row, (8, 8, 1), 3, dropout=0.0), build(row, (8, 8, 1), 3, dropout=0.5)
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert "Dropout" not in kinds
    rates = [layer.rate for layer in dropped.layers if type(layer).__name__ == "Dropout"]
    assert rates
    assert max(rates) == 0.5
    dropped.set_weights(plain.get_weights())
    pixels = _pictures((8, 8, 1))
    np.testing.assert_allclose(
        np.asarray(plain.predict_on_batch(pixels)), np.asarray(dropped.predict_on_batch(pixels)), rtol=1e-5, atol=1e-6
    )
    learning = [np.asarray(keras.ops.convert_to_numpy(dropped(pixels, training=True))) for _ in range(2)]
    assert not np.allclose(learning[0], learning[1]), "dropout does nothing while training"


@every_row
def test_a_row_tells_who_when_and_where(row):
    assert ARCHITECTURES[row.name] is row
    assert row.title
    assert row.authors
    assert 1940 < row.year < 2100
    assert len(row.source) > 10
    assert row.story.endswith(".")
    assert 0 <= row.dropout < 1


def _own(**names):
    def make(shape, classes, dropout, seed):
        pictures = keras.Input(shape)
        x = keras.layers.Flatten(name=names.get("features", "features"))(pictures)
        x = keras.layers.Dense(4, name=names.get("embedding", "embedding"))(x)
        return keras.Model(pictures, keras.layers.Dense(names.get("classes", classes))(x))

    return Architecture("own", make, "of my own", "me", 2024, "nowhere in particular", "It is mine.")


def test_an_architecture_of_ones_own_is_built_like_any_other():
    assert build(_own(), (4, 4, 1), 3).output_shape == (None, 3)


@pytest.mark.parametrize("missing", ["features", "embedding"])
def test_an_architecture_without_a_named_layer_is_refused(missing):
    with pytest.raises(ConfigError, match=f"no layer named '{missing}'"):
        build(_own(**{missing: "something_else"}), (4, 4, 1), 3)


def test_an_architecture_with_another_number_of_outputs_is_refused():
    with pytest.raises(ConfigError, match="one logit per class") as caught:
        build(_own(classes=7), (4, 4, 1), 3)
    assert "(None, 7)" in str(caught.value)
    assert "(None, 3)" in str(caught.value)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Try: lenet"):
        architecture_named("le-net")
    assert architecture_named("lenet") is ARCHITECTURES["lenet"]
    assert architecture_named(_own()).name == "own"
