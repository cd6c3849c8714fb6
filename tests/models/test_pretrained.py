"""Models with published weights: ours answer as Keras' own do, whatever the scaling of their pixels, and wrong
files are told apart."""

from __future__ import annotations

import warnings

import h5py
import keras as _keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from striate.errors import ConfigError, DownloadError, WeightsError
from striate.models.architecture import build_model
from striate.models.pretrained import (
    build_pretrained_model,
    check_weights_match,
    identify_weights,
    list_backbone_layers,
)
from striate.models.pretrained_weights import (
    BACKBONES,
    SCALINGS,
    fetch_weights,
    find_cached_backbone,
    get_weights_folder,
)
from striate.models.registry import ARCHITECTURES
from striate.models.serialization import load_model, save_model
from striate.system.backend import ACTIVE_BACKEND, keras, set_seed

SLOW = (
    *("convnext-tiny", "efficientnet_v2_b0", "vgg16"),
    *("resnet50", "resnet50_v2", "resnet101", "inception_v3", "xception", "densenet121"),
    *("mobilenet_v2", "mobilenet_v3_large", "efficientnet_v2_s"),
)
NARROW = "mobilenet_v2_0.35_224_no_top.h5"
WIDE = "mobilenet_v2_1.0_224_no_top_bnfolded.h5"

MODULES = {
    "VGG16": "vgg16",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "InceptionV3": "inception_v3",
    "ResNet50V2": "resnet_v2",
    "Xception": "xception",
    "DenseNet121": "densenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "MobileNetV3Large": "mobilenet_v3",
    "EfficientNetV2B0": "efficientnet_v2",
    "EfficientNetV2S": "efficientnet_v2",
    "ConvNeXtTiny": "convnext",
}
"""Application → the module of keras.applications with its `preprocess_input`."""


def _marked(name):
    is_light = name == "mobilenet_v3_small" and ACTIVE_BACKEND.name != "jax"  # which compiles it for most of a minute
    marks = [pytest.mark.slow] if name in SLOW else [pytest.mark.backend] if is_light else []
    return pytest.param(name, marks=marks)


@pytest.fixture(scope="module", params=[_marked(name) for name in BACKBONES])
def published(request, tmp_path_factory):
    """(row's name, Keras' own model with random weights and statistics, a file of them in Keras' layout, the file
    that Keras would have fetched for it: name, address, checksum).
    """
    name = request.param
    backbone = BACKBONES[name]
    options = {key: value for key, value in backbone.options.items() if key != "include_preprocessing"}
    side = 128 if backbone.has_own_architecture else 96  # at others, ours cuts nothing off where a side is odd
    asked = []

    def get_file(fname, origin, *args, file_hash=None, **kwargs):
        asked.append((fname, origin, file_hash))
        return "not there"

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the weights were learned on larger images
        patch.setattr(_keras.src.utils.file_utils, "get_file", get_file)
        patch.setattr(_keras.Model, "load_weights", lambda *args, **kwargs: None)
        function = getattr(keras.applications, backbone.application)
        own = function(include_top=False, weights="imagenet", input_shape=(side, side, 3), **options)
    _scramble(own)
    path = tmp_path_factory.mktemp("weights") / f"{name}.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, own)
    return name, own, path, asked[0]


def _scramble(model):
    """Gives every weight that begins at one value, batch-norm's statistics among them, random ones."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        value = keras.ops.convert_to_numpy(variable.value)
        if np.ptp(value) == 0:
            kind = variable.path.split("/")[-1]
            is_scale = kind in ("gamma", "moving_variance")
            drawn = rng.uniform(0.6, 1.4, value.shape) if is_scale else rng.normal(0, 0.1, value.shape)
            variable.assign(drawn.astype(np.float32))


def _run(model, pixels):
    return keras.ops.convert_to_numpy(model(pixels, training=False))


def _close(one, two):
    np.testing.assert_allclose(one, two, rtol=0, atol=2e-4 * np.abs(two).max())
    assert np.abs(two).max() > 1e-6 and two.std() > 0


def test_a_backbone_with_published_weights_sees_what_keras_own_model_sees(published, tmp_path):
    name, own, path, _ = published
    shape = own.input_shape[1:]
    row = ARCHITECTURES[name]
    set_seed(3)
    model = build_pretrained_model(row, shape, 3, path, dropout=0.2, seed=0)
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    preprocess = getattr(keras.applications, MODULES[BACKBONES[name].application]).preprocess_input
    expected = keras.Model(own.input, own.layers[-1].input) if BACKBONES[name].has_own_architecture else own
    wanted = _run(expected, preprocess(pixels.astype(np.float32)))
    features = keras.Model(model.input, model.get_layer("features").output)
    _close(_run(features, pixels), wanted)
    if BACKBONES[name].has_own_architecture:  # what classifies there is the norm of the averaged maps
        mean = wanted.mean(axis=(1, 2))
        gamma, beta = own.layers[-1].get_weights()
        normed = (mean - mean.mean(1, keepdims=True)) / np.sqrt(mean.var(1, keepdims=True) + 1e-6) * gamma + beta
        _close(_run(keras.Model(model.input, model.get_layer("embedding").output), pixels), normed)
    for layer in list_backbone_layers(model):
        layer.trainable = False  # as training leaves it
    files = tmp_path / "network.json", tmp_path / "weights.safetensors"
    save_model(model, *files)
    np.testing.assert_array_equal(_run(load_model(*files), pixels), _run(model, pixels))


def test_names_addresses_and_checksums_are_those_that_keras_asks_for(published):
    name, _, _, (fname, origin, checksum) = published
    weights = BACKBONES[name].weights_file
    fname, origin = (text.replace("_96_no_top", "_224_no_top") for text in (fname, origin))  # MobileNetV2 has both
    assert weights.name == fname
    assert [mirror + weights.name for mirror in weights.mirrors] == [origin]
    assert weights.checksum == checksum


@pytest.mark.parametrize("scaling", SCALINGS)
def test_pixels_are_scaled_as_each_kind_of_model_wants_them(scaling):
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 6, 3)).astype(np.float32)
    scale, offset = SCALINGS[scaling]
    ours = _run(keras.layers.Rescaling(scale, offset), pixels)
    if scaling == "half":
        wanted = (pixels - 128) / 128
    else:
        module = {"unit": "xception", "torch": "densenet", "caffe": "vgg16"}[scaling]
        wanted = getattr(keras.applications, module).preprocess_input(pixels.copy())
        wanted = wanted[..., ::-1] if scaling == "caffe" else wanted  # its kernels are turned around instead
    np.testing.assert_allclose(ours, wanted, atol=2e-4)


# Whose weights they are


def test_a_file_names_its_model(test_data):
    assert identify_weights(test_data / "weights" / NARROW) == "mobilenet_v2_0.35"
    assert identify_weights(test_data / "weights" / WIDE) == "mobilenet_v2"


@pytest.mark.parametrize("published", ["mobilenet_v3_small", "convnext-tiny"], indirect=True)
def test_a_file_made_by_keras_names_its_model(published):
    assert identify_weights(published[2]) == published[0]


@pytest.mark.parametrize(
    ("name", "file", "owner"),
    [
        ("mobilenet_v2", NARROW, "mobilenet_v2_0.35"),
        ("mobilenet_v2_0.35", WIDE, "mobilenet_v2"),
        ("mobilenet_v3_small", NARROW, "mobilenet_v2_0.35"),
        ("vgg16", WIDE, "mobilenet_v2"),
        ("convnext-tiny", WIDE, "mobilenet_v2"),
    ],
)
def test_anothers_weights_are_refused_with_their_owners_name(test_data, name, file, owner):
    path = test_data / "weights" / file
    message = rf"not weights of {name}\. Received: .*{file}, weights of {owner}\. .*Try: --arch {owner}\.$"
    with pytest.raises(WeightsError, match=message):
        check_weights_match(ARCHITECTURES[name], path)
    with pytest.raises(WeightsError, match=message):
        build_pretrained_model(ARCHITECTURES[name], (112, 112, 3), 2, path, dropout=0.0, seed=0)


def _small(path, *, top=False, channels=3, change=lambda model: None):
    """Writes weights of MobileNetV2 0.35 as Keras would; returns the path."""
    options = {"classes": 7} if top else {}
    model = keras.applications.MobileNetV2((96, 96, channels), 0.35, include_top=top, weights=None, **options)
    change(model)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.fixture(scope="module")
def with_top(tmp_path_factory):
    return _small(tmp_path_factory.mktemp("weights") / "top.h5", top=True)


def test_the_last_layers_in_a_file_are_left_aside(with_top):
    row = ARCHITECTURES["mobilenet_v2_0.35"]
    model = build_pretrained_model(row, (96, 96, 3), 3, with_top, dropout=0.0, seed=0)
    with h5py.File(with_top) as file:
        np.testing.assert_array_equal(model.get_layer("Conv1").get_weights()[0], file["Conv1/Conv1/kernel"])
        np.testing.assert_array_equal(model.get_layer("Conv_1").get_weights()[0], file["Conv_1/Conv_1/kernel"])
    assert model.output_shape == (None, 3)


def test_a_model_saved_with_more_than_its_weights_is_read_too(with_top, tmp_path):
    with h5py.File(with_top) as source, h5py.File(tmp_path / "whole.h5", "w") as file:
        source.copy(source, file, "model_weights")
    assert identify_weights(tmp_path / "whole.h5") == "mobilenet_v2_0.35"


def test_weights_learned_on_grey_images_are_told(tmp_path):
    path = _small(tmp_path / "grey.h5", channels=1)
    with pytest.raises(WeightsError, match=r"another number of channels\. Received: 1, in .*grey\.h5\. Expected: 3"):
        check_weights_match(ARCHITECTURES["mobilenet_v2_0.35"], path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    def spoil(model):
        model.get_layer("Conv_1_bn").moving_mean.assign(np.full(1280, value, np.float32))

    path = _small(tmp_path / "nan.h5", change=spoil)
    with pytest.raises(WeightsError, match="not all finite"):
        build_pretrained_model(ARCHITECTURES["mobilenet_v2_0.35"], (96, 96, 3), 2, path, dropout=0.0, seed=0)


def test_weights_of_an_unknown_model_are_told(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    with pytest.raises(WeightsError, match=r"belong to none of the models.*2 tensors.*vgg16"):
        identify_weights(tmp_path / "mine.h5")
    with pytest.raises(WeightsError, match=r"not weights of mobilenet_v2\. Received: .*mine\.h5 with .*\(8, 3\)"):
        check_weights_match(ARCHITECTURES["mobilenet_v2"], tmp_path / "mine.h5")


def test_a_model_without_published_weights_says_which_have_some(tmp_path):
    with pytest.raises(ConfigError, match=r"no pretrained weights for this model\. Received: lenet\. .*vgg16"):
        check_weights_match(ARCHITECTURES["lenet"], tmp_path)


@pytest.mark.parametrize(("name", "side", "least"), [("convnext-tiny", 96, "112"), ("mobilenet_v3_small", 16, "32")])
def test_images_too_small_for_the_weights_are_refused(with_top, name, side, least):
    with pytest.raises(ConfigError, match=rf"too small.*at least {least} on each side"):
        build_pretrained_model(ARCHITECTURES[name], (side, side, 3), 2, with_top, dropout=0.0, seed=0)


def test_the_scaling_of_an_untrained_model_is_not_the_published_ones():
    """Its own is the same for all; the published one comes with the weights."""
    model = build_model(ARCHITECTURES["mobilenet_v3_small"], (96, 96, 3), 2)
    assert (model.get_layer("rescale").scale, model.get_layer("rescale").offset) == (1 / 127.5, -1.0)


# Where they lie


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "models"


@pytest.fixture
def offline(monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_weights_lie_where_keras_keeps_them(home):
    assert get_weights_folder() == home
    assert find_cached_backbone(tuple(BACKBONES)) is None
    home.mkdir(parents=True)
    (home / BACKBONES["vgg16"].weights_file.name).touch()
    assert find_cached_backbone(("resnet50", "vgg16")) == "vgg16"
    assert find_cached_backbone(("resnet50",)) is None


def test_offline_the_message_names_file_address_folder_and_the_way_without(home, offline):
    with pytest.raises(DownloadError) as caught:
        fetch_weights("imagenet", "resnet50")
    weights = BACKBONES["resnet50"].weights_file
    for part in (weights.name, weights.mirrors[0], weights.checksum, str(home), "--pretrained none"):
        assert part in str(caught.value)


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_wrong_file_where_the_weights_belong_is_refused_and_stays(home, is_checked):
    name = "resnet50" if is_checked else "mobilenet_v2"
    home.mkdir(parents=True)
    path = home / BACKBONES[name].weights_file.name
    path.write_text("<html>")
    with pytest.raises(DownloadError if is_checked else WeightsError, match=r"checksum differs|web page"):
        fetch_weights("imagenet", name)
    assert path.read_text() == "<html>"


def test_weights_for_imagenet_of_a_model_without_are_a_mistake(home):
    with pytest.raises(ConfigError, match="no pretrained weights for this model"):
        fetch_weights("imagenet", "lenet")


def test_a_mistyped_word_is_told_as_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"cannot be read.*Received: imagenett\. Expected: imagenet, none, or"):
        fetch_weights("imagenett", "mobilenet_v2")


def test_a_home_folder_is_understood(tmp_path, monkeypatch, with_top):
    monkeypatch.setenv("HOME", str(with_top.parent))
    assert fetch_weights("~/top.h5", "mobilenet_v2") == with_top


def test_no_row_of_weights_is_without_a_network():
    assert set(BACKBONES) <= set(ARCHITECTURES)
    assert len({row.weights_file.name for row in BACKBONES.values()}) == len(BACKBONES)
