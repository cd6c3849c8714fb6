"""What a resting model sees, kept on disk: found again by everything it depends on, and never in the way."""

from __future__ import annotations

import numpy as np
import pytest

from striate.progress import NO_PROGRESS, Progress
from striate.system.backend import keras, set_seed
from striate.training import transfer
from striate.training.transfer import FEATURE_BATCH_SIZE, FEATURE_CACHE, extract_features

pytestmark = pytest.mark.backend
layers = keras.layers


def _network(side=8, *, norm=True):
    set_seed(0)
    images = keras.Input((side, side, 3), name="pictures")
    x = layers.Conv2D(4, 3, name="conv")(layers.Rescaling(1 / 255, name="rescale")(images))
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    x = layers.GlobalAveragePooling2D(name="embedding")(layers.Activation("relu", name="features")(x))
    return keras.Model(images, layers.Dense(2, name="logits")(layers.Dropout(0.5)(x)))


def _pixels(count=5, side=8):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FEATURE_CACHE.folder.is_relative_to(tmp_path)
    return FEATURE_CACHE.folder


@pytest.fixture
def looks(monkeypatch):
    """The number of images of every forward pass."""
    seen = []
    real = transfer.compile_predict_function

    def forward(model, policy):
        see = real(model, policy)
        return lambda batch: (seen.append(len(batch)), see(batch))[1]

    monkeypatch.setattr(transfer, "compile_predict_function", forward)
    return seen


def test_an_embedding_is_what_the_layer_of_that_name_gives(cache):
    model = _network()
    model.get_layer("norm").moving_mean.assign(np.array([0.1, -0.2, 0.3, 0.0], np.float32))
    pixels = _pixels(FEATURE_BATCH_SIZE + 3)
    found = extract_features(model, pixels, progress=NO_PROGRESS)
    extractor = keras.Model(model.input, model.get_layer("embedding").output)
    expected = keras.ops.convert_to_numpy(extractor(pixels, training=False))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_half_precision_sees_nearly_the_same_and_is_kept_on_its_own(cache, looks):
    model, pixels = _network(), _pixels(FEATURE_BATCH_SIZE)
    exact = extract_features(model, pixels, progress=NO_PROGRESS)
    half = extract_features(model, pixels, progress=NO_PROGRESS, policy="bfloat16")
    assert half.dtype == np.float32 and len(looks) == len(list(cache.glob("*.npy"))) == 2
    assert 0 < np.abs(half - exact).max() < 0.03 * np.abs(exact).max()


def test_every_forward_pass_has_one_size(cache, looks):
    extract_features(_network(), _pixels(FEATURE_BATCH_SIZE + 3), progress=NO_PROGRESS)
    extract_features(_network(), _pixels(3), progress=NO_PROGRESS)
    assert looks == [FEATURE_BATCH_SIZE, FEATURE_BATCH_SIZE, FEATURE_BATCH_SIZE]


def test_the_second_time_no_image_is_looked_at_and_that_is_said(cache, looks):
    said = []

    class Say(Progress):
        def log(self, line):
            said.append(line)

    first = extract_features(_network(), _pixels(), progress=NO_PROGRESS)
    second = extract_features(_network(), _pixels(), progress=Say())
    assert len(looks) == 1
    assert said == ["What the model sees of 5 images is known from an earlier training."]
    np.testing.assert_array_equal(first, second)


def _one_pixel(model, pixels):
    pixels[3, 2, 1, 0] ^= 1
    return model, pixels


def _one_weight(model, pixels):
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[0, 0, 0, 0] += 1e-3
    model.get_layer("conv").set_weights([kernel, bias])
    return model, pixels


def _one_statistic(model, pixels):
    model.get_layer("norm").moving_variance.assign(np.array([1, 1, 1.001, 1], np.float32))
    return model, pixels


def _scaling(model, pixels):
    model.get_layer("rescale").offset = 0.1
    return model, pixels


@pytest.mark.parametrize(
    "change",
    [
        _one_pixel,
        _one_weight,
        _one_statistic,
        _scaling,
        lambda model, pixels: (_network(10), _pixels(side=10)),
        lambda model, pixels: (model, pixels[:4]),
        lambda model, pixels: (model, pixels[::-1]),
        lambda model, pixels: (_network(norm=False), pixels),
    ],
)
def test_whatever_changes_an_embedding_is_looked_at_anew(cache, looks, change):
    extract_features(_network(), _pixels(), progress=NO_PROGRESS)
    model, pixels = change(_network(), _pixels())
    found = extract_features(model, pixels, progress=NO_PROGRESS)
    assert len(looks) == 2
    assert found.shape == (len(pixels), 4)


def test_what_comes_after_the_embedding_does_not_matter(cache, looks):
    model = _network()
    extract_features(model, _pixels(), progress=NO_PROGRESS)
    model.get_layer("logits").set_weights([np.ones((4, 2)), np.ones(2)])
    extract_features(model, _pixels(), progress=NO_PROGRESS)
    assert len(looks) == 1


@pytest.mark.parametrize(("shape", "dtype"), [((5, 3), "float32"), ((5, 4), "float64"), ((20,), "float32")])
def test_an_array_of_another_form_is_not_taken(cache, looks, shape, dtype):
    extract_features(_network(), _pixels(), progress=NO_PROGRESS)
    (path,) = cache.glob("*.npy")
    FEATURE_CACHE.put(path.stem, np.zeros(shape, dtype))
    assert extract_features(_network(), _pixels(), progress=NO_PROGRESS).shape == (5, 4)
    assert len(looks) == 2


def test_a_damaged_file_is_computed_anew_and_replaced(cache, looks):
    first = extract_features(_network(), _pixels(), progress=NO_PROGRESS)
    (path,) = cache.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-4])
    for _ in range(2):
        np.testing.assert_array_equal(extract_features(_network(), _pixels(), progress=NO_PROGRESS), first)
        assert len(looks) == 2
