"""ResNet, DenseNet, MobileNet and ConvNeXt, held against their papers."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from striate.models.architecture import build_model, build_without_weights, find_collapsed_layer
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

WEIGHTS = {
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet56": 853_018,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "densenet121": 7_978_856,
    "mobilenet": 4_231_976,
    "convnext-tiny": 28_589_128,
}
CIFAR = ("resnet20", "resnet32", "resnet56")
PHOTOGRAPHS = tuple(name for name in WEIGHTS if name not in CIFAR)
STEMS = {
    "resnet18": [("stem_conv", 7, 2), ("stem_pool", 3, 2)],
    "resnet50": [("stem_conv", 7, 2), ("stem_pool", 3, 2)],
    "densenet121": [("stem_conv", 7, 2), ("stem_pool", 3, 2)],
    "mobilenet": [("stem_conv", 3, 2)],
    "convnext-tiny": [("stem_conv", 4, 4)],
}
GENTLE = {name: [("stem_conv", 3, 1 if name == "mobilenet" else 2)] for name in STEMS}

LIGHT = ("resnet20", "resnet18", "mobilenet", "convnext-tiny")
"""One model of each kind, quickly built; the others are held against their papers by `make contract`."""


def _rows(names):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in LIGHT)) for name in names]
    )


every_row = _rows(WEIGHTS)


@functools.cache
def _outline(name, side, channels=3, classes=10):
    return build_without_weights(ARCHITECTURES[name], (side, side, channels), classes)


def _stem(model):
    found = [layer for layer in model.layers if layer.name in ("stem_conv", "stem_pool")]
    windows = [getattr(layer, "kernel_size", None) or layer.pool_size for layer in found]
    assert all(layer.padding == "same" for layer in found)
    return [(layer.name, *set(window), *set(layer.strides)) for layer, window in zip(found, windows, strict=True)]


@every_row
def test_the_weights_are_as_many_as_published(name):
    row = ARCHITECTURES[name]
    model = build_without_weights(row, row.native_shape, row.native_classes)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == WEIGHTS[name]


@every_row
@pytest.mark.parametrize(("side", "photograph", "cifar"), [(224, 7, 56), (64, 4, 16), (32, 2, 8), (28, 2, 7)])
def test_the_last_maps_are_never_a_single_point(name, side, photograph, cifar):
    expected = cifar if name in CIFAR else photograph
    assert _outline(name, side).get_layer("features").output.shape[1:3] == (expected, expected)


@every_row
def test_the_smallest_image_still_has_something_to_thin_out(name):
    smallest = 3 if name in CIFAR else 9
    assert find_collapsed_layer(_outline(name, smallest)) is None
    assert find_collapsed_layer(_outline(name, smallest - 1)) is not None


@every_row
def test_oblong_grey_images_and_two_classes_are_taken(name):
    model = build_without_weights(ARCHITECTURES[name], (21, 34, 1), 2)
    height, width = model.get_layer("features").output.shape[1:3]
    assert height < width
    assert model.get_layer("embedding").output.shape == (None, model.get_layer("features").output.shape[-1])
    assert model.output_shape == (None, 2)


@_rows(STEMS)
def test_the_stem_is_the_papers_for_photographs_and_gentle_below(name):
    assert [_stem(_outline(name, side)) for side in (224, 112)] == [STEMS[name]] * 2
    assert [_stem(_outline(name, side)) for side in (111, 28)] == [GENTLE[name]] * 2


@_rows(PHOTOGRAPHS)
def test_a_small_image_shrinks_half_as_much_as_a_photograph(name):
    assert _outline(name, 96).get_layer("features").output.shape[1] == 96 // 16
    assert _outline(name, 192).get_layer("features").output.shape[1] == 192 // 32


@_rows(["resnet50", "resnet101"])
def test_a_bottleneck_strides_in_its_middle_convolution(name):
    strided = {layer.name for layer in _outline(name, 64).layers if getattr(layer, "strides", (1, 1)) != (1, 1)}
    blocks = [f"stage{stage}_block1" for stage in (2, 3, 4)]
    assert strided == {"stem_conv", *[f"{block}_{part}" for block in blocks for part in ("conv2", "shortcut")]}


@pytest.mark.backend
@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3)])
def test_a_shortcut_without_weights_passes_every_other_place_and_maps_of_zeros(shape):
    set_seed(0)
    model = build_model(ARCHITECTURES["resnet20"], shape, 10)
    block = [layer for layer in model.layers if layer.name.startswith("stage2_block1_")]
    assert {layer.name for layer in block if layer.weights} == {
        f"stage2_block1_{part}" for part in ("conv1", "bn1", "conv2", "bn2")
    }
    for part in ("conv1", "conv2"):
        kernel = model.get_layer(f"stage2_block1_{part}").kernel
        kernel.assign(np.zeros(kernel.shape, np.float32))
    ends = [model.get_layer(f"{prefix}_relu").output for prefix in ("stage1_block3", "stage2_block1")]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    before, after = (np.asarray(maps) for maps in keras.Model(model.input, ends).predict_on_batch(pixels))
    assert before.max() > 0
    np.testing.assert_array_equal(after[..., :16], before[:, ::2, ::2])
    np.testing.assert_array_equal(after[..., 16:], 0)


@pytest.mark.slow
def test_a_dense_layer_hands_on_all_that_it_was_given():
    model = _outline("densenet121", 64)
    for stage, (given, depth) in enumerate(((64, 6), (128, 12), (256, 24), (512, 16)), 1):
        maps = [model.get_layer(f"stage{stage}_block{number}_concat").output.shape[-1] for number in (1, depth)]
        assert maps == [given + 32, given + 32 * depth]


@pytest.mark.backend
def test_stochastic_depth_drops_whole_blocks_of_single_images_more_often_the_deeper():
    model = build_without_weights(ARCHITECTURES["convnext-tiny"], (32, 32, 3), 10)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == sorted(rates)
    np.testing.assert_allclose(rates, 0.1 * np.arange(1, 18) / 17)
    assert len({layer.seed for layer in model.layers if isinstance(layer, keras.layers.Dropout)}) == 17

    drop = keras.layers.Dropout.from_config(model.get_layer("stage4_block3_drop").get_config() | {"rate": 0.5})
    kept = np.asarray(keras.ops.convert_to_numpy(drop(np.ones((64, 2, 2, 3), np.float32), training=True)))
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert (kept == kept[:, :1, :1, :1]).all()


@_rows([name for name in WEIGHTS if name != "convnext-tiny"])
def test_running_averages_follow_within_a_short_run(name):
    norms = [layer for layer in _outline(name, 32).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}
