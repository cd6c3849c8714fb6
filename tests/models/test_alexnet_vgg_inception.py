"""AlexNet, VGG and the Inceptions against their papers' tables, and what becomes of them on small images."""

from __future__ import annotations

import math

import pytest

from striate.models.architecture import build_without_weights, find_collapsed_layer, skip_weight_init
from striate.models.cost import compute_cost
from striate.models.registry import ARCHITECTURES
from striate.models.zoo.alexnet import ALEXNET
from striate.models.zoo.googlenet import GOOGLENET
from striate.models.zoo.inception_v3 import INCEPTION_V3
from striate.models.zoo.vgg import VGG11, VGG16, VGG19, VGG_SMALL
from striate.system.backend import keras

GOLDEN = {
    "alexnet": 60_965_224,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 6_998_552,
    "inception_v3": 23_817_352,
}
"""Trainable weights at native size with 1000 classes, as published or as the papers' layers add up to."""

TABLE_1 = {
    "conv2": 112,
    "inception3a": 159,
    "inception3b": 380,
    "inception4a": 364,
    "inception4b": 437,
    "inception4c": 463,
    "inception4d": 580,
    "inception4e": 840,
    "inception5a": 1072,
    "inception5b": 1388,
    "logits": 1000,
}
"""Weights in 1024s, from GoogLeNet's table 1. Its 2.7 for conv1 does not fit its own 7×7×3×64 and is left out."""

SIDES = [
    ("alexnet", {227: 13, 112: 5, 64: 8, 32: 4, 28: 4}),
    ("vgg11", {224: 14, 112: 7, 64: 4, 32: 2, 28: 2}),
    ("vgg19", {224: 14, 112: 7, 64: 4, 32: 2, 28: 2}),
    ("vgg-small", {64: 16, 32: 8, 31: 15, 28: 14}),
    ("googlenet", {224: 7, 112: 4, 64: 4, 32: 2, 28: 2}),
    pytest.param("inception_v3", {299: 8, 112: 2, 64: 4, 32: 2, 28: 2}, marks=pytest.mark.slow),
]

SMALLEST = {"alexnet": 9, "vgg11": 17, "vgg16": 17, "vgg19": 17, "vgg-small": 4, "googlenet": 9, "inception_v3": 9}


def _weights(variables):
    return sum(math.prod(variable.shape) for variable in variables)


def _of(model, kind):
    return [layer for layer in model.layers if type(layer).__name__ == kind]


def _convolutions(model):
    """Returns (filters, window, strides, padding) of each convolution, in order."""
    return [(layer.filters, layer.kernel_size, layer.strides, layer.padding) for layer in _of(model, "Conv2D")]


@pytest.mark.parametrize("name", GOLDEN)
def test_as_many_weights_as_published(name):
    row = ARCHITECTURES[name]
    assert (
        _weights(build_without_weights(row, row.native_shape, row.native_classes).trainable_variables) == GOLDEN[name]
    )


def test_googlenet_has_the_weights_of_its_table_row_by_row():
    model = build_without_weights(GOOGLENET, (224, 224, 3), 1000)
    for row, thousands in TABLE_1.items():
        found = _weights(v for layer in model.layers if layer.name.startswith(row) for v in layer.trainable_variables)
        assert found / 1024 == pytest.approx(thousands, rel=0.1), row


@pytest.mark.slow
def test_inception_v3_is_the_one_in_keras():
    with skip_weight_init():  # weights without values
        theirs = keras.applications.InceptionV3(weights=None)
    ours = build_without_weights(INCEPTION_V3, (299, 299, 3), 1000)
    for kind in ("Conv2D", "BatchNormalization", "AveragePooling2D", "MaxPooling2D"):
        assert len(_of(ours, kind)) == len(_of(theirs, kind))
    windows = [
        sorted((layer.kernel_size, layer.strides, layer.output.shape[1:]) for layer in _of(model, "Conv2D"))
        for model in (ours, theirs)
    ]
    assert windows[0] == windows[1]
    assert _weights(ours.trainable_variables) == _weights(theirs.trainable_variables)


@pytest.mark.parametrize(("name", "sides"), SIDES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_last_maps_have_the_size_that_the_documentation_names(name, sides):
    for side, expected in sides.items():
        features = build_without_weights(ARCHITECTURES[name], (side, side, 3), 10).get_layer("features").output
        assert features.shape[1:3] == (expected, expected), f"{side} pixels"


@pytest.mark.parametrize("name", SMALLEST)
def test_small_images_will_do(name):
    assert _fits(name, SMALLEST[name])
    assert not _fits(name, SMALLEST[name] - 1)


def _fits(name, side):
    try:
        return find_collapsed_layer(build_without_weights(ARCHITECTURES[name], (side, side, 3), 2)) is None
    except ValueError:
        return False


def test_the_smaller_side_decides_about_the_stem():
    for shape, window in (((112, 300, 3), 11), ((300, 112, 3), 11), ((111, 300, 3), 5), ((300, 111, 3), 5)):
        assert build_without_weights(ALEXNET, shape, 10).get_layer("conv1_upper").kernel_size == (window, window)


def test_alexnet_is_two_towers_that_meet_twice():
    model = build_without_weights(ALEXNET, (227, 227, 3), 1000)
    upper = [convolution for layer, convolution in _named(model) if layer.endswith("_upper")]
    assert upper == [
        (48, (11, 11), (4, 4), "valid"),
        (128, (5, 5), (1, 1), "same"),
        (192, (3, 3), (1, 1), "same"),
        (192, (3, 3), (1, 1), "same"),
        (128, (3, 3), (1, 1), "same"),
    ]
    assert upper == [convolution for layer, convolution in _named(model) if layer.endswith("_lower")]
    seen = [model.get_layer(f"conv{number}_upper").input.shape[3] for number in range(1, 6)]
    assert seen == [3, 48, 256, 192, 192]
    assert model.get_layer("conv1_upper").output.shape == (None, 55, 55, 48)
    assert model.get_layer("features").output.shape == (None, 13, 13, 256)
    assert model.get_layer("flatten").output.shape == (None, 6 * 6 * 256)
    assert model.get_layer("embedding").units == 4096


def _named(model):
    return zip((layer.name for layer in _of(model, "Conv2D")), _convolutions(model), strict=True)


def test_alexnet_thins_small_images_out_more_gently():
    model = build_without_weights(ALEXNET, (32, 32, 3), 10)
    assert _convolutions(model)[0] == (48, (5, 5), (2, 2), "same")
    assert model.get_layer("embedding").units == 1024


@pytest.mark.parametrize(("row", "convolutions"), [(VGG11, 8), (VGG16, 13), (VGG19, 16)], ids=lambda value: "")
def test_vgg_is_padded_3x3_and_normalised_on_small_images_only(row, convolutions):
    native, small = build_without_weights(row, (224, 224, 3), 1000), build_without_weights(row, (32, 32, 3), 10)
    for model in (native, small):
        assert {convolution[1:] for convolution in _convolutions(model)} == {((3, 3), (1, 1), "same")}
        assert len(_of(model, "Conv2D")) == convolutions
        assert len(_of(model, "MaxPooling2D")) == 5
    assert not _of(native, "BatchNormalization")
    assert len(_of(small, "BatchNormalization")) == convolutions
    assert [layer.units for layer in _of(native, "Dense")] == [4096, 4096, 1000]
    assert [layer.units for layer in _of(small, "Dense")] == [512, 10]


@pytest.mark.parametrize(("side", "filters"), [(28, [64, 64, 128, 128]), (32, [64, 64, 128, 128, 256, 256])])
def test_vgg_small_has_two_blocks_below_32_pixels_and_three_from_there_on(side, filters):
    model = build_without_weights(VGG_SMALL, (side, side, 1), 10)
    assert _convolutions(model) == [(count, (3, 3), (1, 1), "same") for count in filters]
    kinds = [type(layer).__name__ for layer in model.layers[2:]]
    block = ["Conv2D", "BatchNormalization", "ReLU"] * 2 + ["MaxPooling2D"]
    assert kinds == block * (len(filters) // 2) + ["Flatten", "Dense", "Dropout", "Dense"]
    assert model.get_layer("embedding").units == 128
    assert model.get_layer("dropout").rate == 0.5


def test_googlenet_begins_as_in_table_1():
    model = build_without_weights(GOOGLENET, (224, 224, 3), 1000)
    sides = {"conv1": 112, "pool1": 56, "conv2": 56, "pool2": 28, "pool3": 14, "pool4": 7, "features": 7}
    assert {name: model.get_layer(name).output.shape[1] for name in sides} == sides
    assert _convolutions(model)[:3] == [
        (64, (7, 7), (2, 2), "same"),
        (64, (1, 1), (1, 1), "same"),
        (192, (3, 3), (1, 1), "same"),
    ]
    depths = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832}
    assert {name: model.get_layer(f"inception{name}").output.shape[3] for name in depths} == depths
    assert model.get_layer("embedding").output.shape == (None, 1024)


def test_googlenet_keeps_maps_of_7x7_for_its_first_modules_on_digits():
    model = build_without_weights(GOOGLENET, (28, 28, 1), 10)
    sides = {"conv1": 14, "pool1": 7, "inception3b": 7, "inception4e": 4, "features": 2}
    assert {name: model.get_layer(name).output.shape[1] for name in sides} == sides
    assert "pool2" not in {layer.name for layer in model.layers}


@pytest.mark.slow
def test_inception_v3_thins_out_as_in_table_1():
    model = build_without_weights(INCEPTION_V3, (299, 299, 3), 1000)
    sides = {"stem_conv1": 149, "stem_conv2": 147, "stem_conv3": 147, "stem_pool1": 73, "stem_conv5": 71}
    sides |= {"stage1_block3": 35, "stage2_block4": 17, "stage3_block1": 8, "features": 8}
    assert {name: model.get_layer(name).output.shape[1] for name in sides} == sides
    depths = {"stage1_block1": 256, "stage1_block3": 288, "reduction1": 768, "reduction2": 1280, "features": 2048}
    assert {name: model.get_layer(name).output.shape[3] for name in depths} == depths


@pytest.mark.parametrize(
    "name", ["vgg11", "vgg-small", "googlenet", pytest.param("inception_v3", marks=pytest.mark.slow)]
)
def test_every_normalisation_forgets_fast_enough_for_short_runs(name):
    layers = _of(build_without_weights(ARCHITECTURES[name], (32, 32, 3), 10), "BatchNormalization")
    assert {layer.momentum for layer in layers} == {0.9}


@pytest.mark.parametrize(("name", "millions"), [("alexnet", 50), ("vgg-small", 74), ("googlenet", 88)])
def test_digits_are_affordable_on_a_laptop(name, millions):
    found = compute_cost(build_without_weights(ARCHITECTURES[name], (28, 28, 1), 10)).multiply_adds
    assert found == pytest.approx(millions * 1e6, rel=0.02)
