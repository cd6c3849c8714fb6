"""What a model costs and sees, against published figures and against what really reaches a unit."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest

from striate.models.architecture import build_model, build_without_weights, skip_weight_init
from striate.models.cost import Cost, compute_cost, compute_layer_costs, load_cost_table
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras

layers = keras.layers

PUBLISHED = [
    # name, image's side; weights, multiply-adds, receptive field. The fields of AlexNet, VGG, ResNet, MobileNet and
    # Inception are those of table 1 in Araujo, Norris and Sim 2019 (their ResNet halves the maps where the first
    # paper did); multiply-adds: the papers of VGG, ResNet (3.8 G), MobileNet (569 M), DenseNet, Xception, ConvNeXt.
    ("VGG16", 224, 138_357_544, 15.47e9, 212),
    ("ResNet50", 224, None, 3.86e9, 483),
    ("ResNet101", 224, None, 7.57e9, 1027),
    ("MobileNet", 224, None, 0.569e9, 315),
    ("InceptionV3", 299, None, 5.71e9, 1311),
    ("DenseNet121", 224, 7_978_856, 2.83e9, None),
    ("MobileNetV2", 224, 3_504_872, 0.301e9, None),
    ("ConvNeXtTiny", 224, 28_589_128, 4.46e9, None),
]


@pytest.mark.parametrize(("name", "side", "weights", "multiply_adds", "field"), PUBLISHED, ids=str)
def test_published_figures_are_found_in_the_graph(name, side, weights, multiply_adds, field):
    with skip_weight_init():
        model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    rows = compute_layer_costs(model)
    assert sum(row.multiply_adds for row in rows) == pytest.approx(multiply_adds, rel=0.002)
    if weights is not None:
        assert sum(row.parameters for row in rows) == weights
    if field is not None:
        maps = [row for row in rows if len(row.output_shape) == 3 and row.output_shape[0] > 1]
        assert maps[-1].receptive_field == (field, field)


@pytest.mark.parametrize(
    ("name", "multiply_adds", "field"),
    [
        ("alexnet", 0.724e9, 163),
        ("vgg16", 15.47e9, 196),
        ("resnet18", 1.81e9, 435),
        ("resnet50", 4.09e9, 427),
        ("mobilenet", 0.569e9, 315),
        ("inception_v3", 5.71e9, 1311),
    ],
)
def test_our_own_models_cost_what_is_published_of_them(name, multiply_adds, field):
    found = load_cost_table()[name]
    assert found["multiply_adds"] == pytest.approx(multiply_adds, rel=0.003)
    assert found["receptive_field"] == [field, field]


@pytest.mark.parametrize(
    ("name", "weights"), [("mlp", 535_818), ("lenet", 61_706), ("cnn-small", 592_074), ("cnn", 1_199_882)]
)
def test_the_tutorials_models_have_their_weights(name, weights):
    row = ARCHITECTURES[name]
    assert (
        build_model(row, row.native_shape, row.native_classes).count_params()
        == weights
        == load_cost_table()[name]["parameters"]
    )


@pytest.mark.backend
def test_lenet_costs_what_its_figure_2_draws():
    found = compute_cost(build_without_weights(ARCHITECTURES["lenet"], (32, 32, 1), 10))
    assert found == Cost(61_706, 28**2 * 150 + 10**2 * 2400 + 48_000 + 10_080 + 840, (32, 32))


@pytest.mark.backend
def test_a_model_without_convolutions_sees_the_whole_image():
    found = compute_cost(build_without_weights(ARCHITECTURES["mlp"], (20, 30, 3), 7))
    assert found == Cost(20 * 30 * 3 * 512 + 512 + 512 * 256 + 256 + 256 * 7 + 7, 1_054_464, (20, 30))


def test_every_row_has_its_figures_and_nothing_else_has():
    assert list(load_cost_table()) == list(ARCHITECTURES), "Try: make docs"
    for found in load_cost_table().values():
        assert all(isinstance(value, int) and value > 0 for value in (*found.pop("receptive_field"), *found.values()))


# ---- the truth about receptive fields: light the rows (columns) up to or from one, and look at one unit


def _linear(layer):
    """The same layer with ones for weights: nothing negative, nothing cut off, and maxima become sums."""
    settings = layer.get_config()
    for name in ("activation", "depthwise_activation", "pointwise_activation"):
        if settings.get(name) is not None:
            settings[name] = "linear"
    settings |= {"use_bias": False} if "use_bias" in settings else {}
    if isinstance(layer, layers.Rescaling):
        settings |= {"scale": 1.0, "offset": 0.0}
    if isinstance(layer, layers.MaxPooling2D):
        return layers.AveragePooling2D.from_config(settings)
    if isinstance(layer, layers.Activation | layers.ReLU | layers.Dropout):
        return layers.Identity(name=layer.name)
    return type(layer).from_config(settings)


def seen(model, axes=(0, 1)):
    """Returns how many rows and columns of the image reach the unit in the middle of `features`."""
    short = keras.Model(model.input, model.get_layer("features").output)
    linear = keras.models.clone_model(short, clone_function=_linear)
    linear.set_weights([np.full_like(one, 1 / 8) if one.ndim > 1 else one for one in linear.get_weights()])
    height, width = linear.output_shape[1:3]

    def reaches(axis, lit):
        image = np.zeros((1, *model.input_shape[1:]), np.float32)
        np.moveaxis(image, axis + 1, 0)[lit] = 1
        return bool(keras.ops.convert_to_numpy(linear(image, training=False))[0, height // 2, width // 2, 0])

    extent = []
    for axis in axes:
        side = model.input_shape[axis + 1]
        first = bisect_left(range(side), True, key=lambda end, axis=axis: reaches(axis, slice(0, end + 1)))
        after = bisect_left(range(side), True, key=lambda start, axis=axis: not reaches(axis, slice(start, None)))
        assert 0 < first < after < side, "the image is too small to see its end"
        extent.append(after - first)
    return tuple(extent)


def _model(make, shape=(61, 50, 1)):
    images = keras.Input(shape)
    return keras.Model(images, layers.Identity(name="features")(make(images)))


def _branches(x):
    wide = layers.Conv2D(2, 7, padding="same")(x)
    narrow = layers.Conv2D(2, 3, padding="same")(layers.Conv2D(2, (1, 5), padding="same")(x))
    return layers.Conv2D(2, 3)(layers.Concatenate()([wide, narrow, layers.MaxPooling2D(3, 1, "same")(x)]))


def _askew(x):
    """A shortcut whose places are not those of the branch beside it, as strides on even sizes make them."""
    halved = layers.Conv2D(2, 4, strides=2, padding="same")(layers.ZeroPadding2D(((1, 0), (0, 1)))(x))
    return layers.Add()([halved, layers.Conv2D(2, 1, strides=2)(layers.ZeroPadding2D(((1, 0), (0, 1)))(x))])


def _nested(x):
    inner = keras.Sequential([layers.Conv2D(2, 5, strides=2, use_bias=False), layers.ReLU()], name="inner")
    return layers.Conv2D(2, 3)(inner(layers.Conv2D(1, 3)(x)))


MADE = {
    "window and stride": lambda x: layers.Conv2D(2, (3, 5), strides=(1, 2))(layers.Conv2D(2, 3, strides=2)(x)),
    "same padding": lambda x: layers.AveragePooling2D(3, 2, "same")(layers.Conv2D(2, 4, strides=3, padding="same")(x)),
    "dilation": lambda x: layers.DepthwiseConv2D(3, dilation_rate=2)(layers.Conv2D(2, 3, dilation_rate=(2, 4))(x)),
    "separable": lambda x: layers.SeparableConv2D(2, 5, strides=2)(layers.Conv2D(2, 3, strides=2)(x)),
    "cropping": lambda x: layers.Conv2D(2, 3)(layers.Cropping2D(((3, 1), (2, 0)))(layers.ZeroPadding2D(2)(x))),
    "branches": _branches,
    "branches askew": _askew,
    "nested": _nested,
}


@pytest.mark.backend
@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_the_receptive_field_is_what_reaches_a_unit(make):
    model = _model(make)
    assert compute_cost(model).receptive_field == seen(model)


@pytest.mark.parametrize("name", ["lenet", "cnn-small", "cnn"])
def test_the_receptive_field_of_a_row_is_what_reaches_a_unit(name):
    model = build_model(ARCHITECTURES[name], (70, 90, 1), 3)
    assert compute_cost(model).receptive_field == seen(model)


@pytest.mark.parametrize(("name", "height"), [("alexnet", 150), ("vgg-small", 70), ("resnet20", 190)])
def test_the_receptive_field_of_a_deeper_row_is_what_reaches_a_unit(name, height):
    model = build_model(ARCHITECTURES[name], (height, 32, 1), 3)
    assert compute_cost(model).receptive_field[:1] == seen(model, axes=(0,))


def test_squeeze_and_excitation_sees_the_whole_image():
    def make(x):
        x = layers.Conv2D(4, 3, padding="same")(x)
        gate = layers.Conv2D(4, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return layers.Multiply()([x, gate])

    assert compute_cost(_model(make)).receptive_field == (61, 50)


def test_a_field_larger_than_the_image_is_not_cut_off():
    def make(x):
        return layers.Conv2D(2, 3, padding="same", dilation_rate=40)(x)

    assert compute_cost(_model(make)).receptive_field == (81, 81)


# ---- multiply-adds and weights of single layers


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(8, 3, groups=4), 10 * 8 * 3 * 3 * 8 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 10 * 8 * 3 * 3 * 16),
        (layers.SeparableConv2D(5, 3), 10 * 8 * (3 * 3 * 8 + 8 * 5)),
        (layers.Conv2DTranspose(5, 3, strides=2), 12 * 10 * 3 * 3 * 8 * 5),
        (layers.Dense(5), 12 * 10 * 8 * 5),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_multiply_adds_are_weights_times_places(layer, expected):
    (row, _) = compute_layer_costs(_model(layer, (12, 10, 8)))
    assert row.multiply_adds == expected


def test_what_batch_normalisation_keeps_is_no_weight_to_learn():
    (row, _) = compute_layer_costs(_model(layers.BatchNormalization(), (12, 10, 8)))
    assert row.parameters == 16


def test_shared_layers_weigh_once_and_work_twice():
    shared = layers.Conv2D(8, 1, use_bias=False)
    rows = compute_layer_costs(_model(lambda x: shared(shared(x)), (12, 10, 8)))
    assert sum(row.parameters for row in rows) == 64
    assert sum(row.multiply_adds for row in rows) == 2 * 120 * 64


def test_layers_of_a_nested_model_are_told_one_by_one():
    rows = compute_layer_costs(_model(_nested))
    assert [row.name.partition("/")[0] for row in rows].count("inner") == 2
    assert [row.parameters for row in rows if row.parameters] == [3 * 3 + 1, 5 * 5 * 2, 3 * 3 * 2 * 2 + 2]


@pytest.mark.backend
def test_figures_need_no_weight_values():
    row = ARCHITECTURES["cnn"]
    assert compute_cost(build_without_weights(row, (40, 30, 3), 5)) == compute_cost(build_model(row, (40, 30, 3), 5))
