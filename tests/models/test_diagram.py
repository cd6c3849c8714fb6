"""What a diagram shows, and that it can be read."""

from __future__ import annotations

import functools
import itertools
import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from striate.errors import ConfigError
from striate.models.architecture import build_without_weights
from striate.models.diagram import plot_model
from striate.models.diagram.blocks import Block, IrregularBlock, RepeatGroup, group_nodes, group_repeats, list_nodes
from striate.models.diagram.pieces import LayerNode, extract_nodes
from striate.models.registry import ARCHITECTURES
from striate.reporting.figures import save_figure
from striate.system.backend import keras

layers = keras.layers


@functools.cache
def _native(name):
    row = ARCHITECTURES[name]
    return build_without_weights(row, row.native_shape, row.native_classes)


def _runs(model) -> list[RepeatGroup]:
    return group_repeats(group_nodes(extract_nodes(model)[0]))


def _texts(figure):
    """Returns text → where it stands, pixels, for all that is written."""
    FigureCanvasAgg(figure).draw()
    return [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]


def _own(build, shape=(16, 16, 3)):
    images = keras.Input(shape)
    return keras.Model(images, build(images))


@pytest.mark.backend
def test_blocks_of_a_residual_model_are_counted_by_stage():
    runs = [run for run in _runs(_native("resnet50")) if isinstance(run.items[0], Block)]
    by_stage = {
        side: [run.count for run in found] for side, found in itertools.groupby(runs, lambda run: run.output.shape[0])
    }
    assert by_stage == {56: [1, 2], 28: [1, 3], 14: [1, 5], 7: [1, 2]}
    assert [run.items[0].branches[-1] == () for run in runs] == [False, True] * 4, "the first of each has a projection"


def test_a_hundred_and_one_layers_become_eight_drawings():
    counts = [run.count for run in _runs(_native("resnet101")) if isinstance(run.items[0], Block)]
    assert counts == [1, 2, 1, 3, 1, 22, 1, 2]


def test_vgg16_has_its_convolutions_by_stage():
    runs = _runs(_native("vgg16"))
    assert [run.count for run in runs if run.items[0].kind == "convolution"] == [2, 2, 3, 3, 3]


def test_googlenet_has_nine_inceptions_of_four_branches():
    found = [run for run in _runs(_native("googlenet")) if isinstance(run.items[0], Block)]
    assert [run.count for run in found] == [1] * 9
    assert {len(run.items[0].branches) for run in found} == {4}
    lengths = [[len(branch) for branch in run.items[0].branches] for run in found]
    assert lengths == [[1, 2, 2, 2]] * 9


def test_densenet_has_its_58_dense_blocks_and_says_what_each_adds():
    model = _native("densenet121")
    counts = [run.count for run in _runs(model) if isinstance(run.items[0], Block)]
    assert counts == [6, 12, 24, 16]
    assert "concat +32" in [text for text, _ in _texts(plot_model(model))]


def test_depthwise_and_pointwise_convolutions_repeat_in_pairs():
    [pair] = [run for run in _runs(_native("mobilenet")) if len(run.items) == 2]
    assert ([piece.label for piece in pair.items], pair.count) == (["3×3 depthwise", "1×1 conv 512"], 5)


def test_branches_within_branches_are_found():
    runs = _runs(_native("inception_v3"))
    nested = [item for run in runs for item in run.items if isinstance(item, Block)]
    inner = [part for block in nested for branch in block.branches for part in branch if isinstance(part, Block)]
    assert inner
    assert all(len(block.branches) == 2 for block in inner)


def test_a_gate_is_one_piece():
    def build(x):
        x = layers.Conv2D(16, 3, padding="same")(x)
        squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
        squeezed = layers.Conv2D(4, 1, activation="relu")(squeezed)
        return layers.Multiply()([x, layers.Conv2D(16, 1, activation="sigmoid")(squeezed)])

    found, notes = extract_nodes(_own(build))
    assert [piece.label for piece in found] == ["input", "3×3 conv 16", "squeeze–excite 4"]
    assert notes == ["ReLU", "sigmoid"]


def test_a_product_of_two_branches_is_no_gate():
    def build(x):
        x = layers.Conv2D(16, 3, padding="same")(x)
        pooled = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(16, 1)(x))
        return layers.Multiply()([x, pooled])

    found, _ = extract_nodes(_own(build))
    assert [piece.kind for piece in found] == ["input", "convolution", "convolution", "pooling", "merge"]


@pytest.mark.parametrize("name", ["mlp", "lenet", "alexnet", "vgg16", "googlenet", "resnet50", "mobilenet"])
def test_names_of_the_contract_are_shown_once_each(name):
    tags = [tag for piece in extract_nodes(_native(name))[0] for tag in piece.tags]
    assert sorted(tags) == ["embedding", "features", "logits"]


def test_a_name_ends_a_run_of_equal_layers():
    def build(x):
        x = layers.Dense(8, name="features")(layers.Flatten()(x))
        x = layers.Dense(8, name="embedding")(layers.Dense(8)(x))
        return layers.Dense(8, name="logits")(x)

    runs = _runs(_own(build))[1:]
    assert [(run.count, run.tags) for run in runs] == [(1, ("features",)), (2, ("embedding",)), (1, ("logits",))]


@pytest.mark.parametrize("name", ["lenet", "cnn", "vgg16", "alexnet", "googlenet", "inception_v3", "resnet101"])
def test_nothing_written_overlaps_or_is_cut_off(name):
    figure = plot_model(_native(name), "A title " * 30)
    written = _texts(figure)
    for (one, box), (other, beside) in itertools.combinations(written, 2):
        assert not box.padded(-0.5).overlaps(beside), f"{one!r} on {other!r}"
    width, height = figure.canvas.get_width_height()
    for text, box in written:
        assert box.x0 >= 0 <= box.y0 and box.x1 <= width and box.y1 <= height, text
    assert [text for text, _ in written if text in ("features", "embedding", "logits")] == [
        "features", "embedding", "logits",
    ]  # fmt: skip


def test_the_drawing_names_every_layer_and_size_of_lenet():
    written = [text for text, _ in _texts(plot_model(_native("lenet"), "LeNet-5"))]
    expected = [
        *("LeNet-5", "input 32×32×1", "5×5 conv 6", "5×5 conv 16", "5×5 conv 120", "dense 84", "dense 10"),
        *("28×28×6", "14×14×6", "10×10×16", "5×5×16", "120 → 84 → 10", "61,706 weights, with tanh"),
    ]
    assert [text for text in expected if text not in written] == []


def test_large_models_fit_a_screen():
    for name in ("resnet50", "resnet101", "densenet121", "vgg19", "mobilenet"):
        width, height = plot_model(_native(name)).get_size_inches()
        assert width < 19, name
        assert height < 11, name


def test_png_and_svg_can_be_read_again(tmp_path):
    title = '\x1b[2J <b>$x$ & "猫" \\frac\n'
    figure = plot_model(_native("cnn"), title)
    save_figure(figure, tmp_path / "network.png")
    save_figure(figure, tmp_path / "network.svg")
    with Image.open(tmp_path / "network.png") as image:
        image.load()
        assert image.width > 800
    tree = ElementTree.parse(tmp_path / "network.svg")
    words = ["".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert '\\x1b[2J <b>$x$ & "猫" \\frac' in [word.strip() for word in words]
    assert "3×3 conv 32" in words


def test_models_inside_a_model_are_opened():
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.Conv2D(8, 3)], name="features")
    found, _ = extract_nodes(_own(lambda x: layers.Flatten()(inner(x))))
    assert [piece.label for piece in found] == ["input", "3×3 conv 4", "3×3 conv 8"]
    assert found[-1].tags == ("features",)


def test_several_inputs_outputs_and_shared_layers_are_drawn():
    left, right = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    shared = layers.Conv2D(4, 3)
    both = layers.Concatenate()([shared(left), shared(right)])
    ends = [layers.Dense(2)(layers.Flatten()(both)), layers.Conv2D(1, 1)(both)]
    model = keras.Model([left, right], ends)
    written = [text for text, _ in _texts(plot_model(model))]
    assert written.count("3×3 conv 4") == written.count("input 16×16×3") == 2
    assert {"dense 2", "1×1 conv 1"} <= set(written)


def test_paths_that_cross_are_drawn_in_rows():
    def build(x):
        one, two = layers.Conv2D(4, 1)(x), layers.Conv2D(5, 1)(x)
        three = layers.Concatenate()([one, two])
        return layers.Concatenate()([layers.Conv2D(6, 1)(three), layers.Conv2D(7, 1)(two), one])

    model = _own(build)
    [tangle] = [item for item in group_nodes(extract_nodes(model)[0]) if isinstance(item, IrregularBlock)]
    assert [[piece.label for _, piece in rank] for rank in tangle.ranks] == [
        ["1×1 conv 4", "1×1 conv 5"], ["concat", "1×1 conv 7"], ["1×1 conv 6"],
    ]  # fmt: skip
    assert "1×1 conv 6" in [text for text, _ in _texts(plot_model(model))]


def test_every_piece_is_in_the_chain_once():
    for name in ("googlenet", "efficientnet_v2_b0", "inception_v3"):
        found, _ = extract_nodes(_native(name))
        placed = [id(piece) for item in group_nodes(found) for piece in list_nodes(item)]
        assert sorted(placed) == sorted(map(id, found))


def test_unknown_sides_and_foreign_layers_are_no_obstacle():
    class Überraschung(layers.Layer):  # noqa: PLC2401 (that is the point)
        def call(self, x):
            return x

        def compute_output_shape(self, shape):  # without which TensorFlow would read this file for half a minute
            return shape

    model = _own(lambda x: Überraschung()(layers.Conv2D(4, 3, name="a$\\b")(x)), (None, None, 3))
    written = [text for text, _ in _texts(plot_model(model))]
    assert {"input ?×?×3", "Überraschung", "?×?×4"} <= set(written)


def test_a_model_without_a_graph_is_refused():
    class Subclass(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ConfigError, match="cannot be drawn"):
        plot_model(Subclass())
    with pytest.raises(ConfigError, match="cannot be drawn"):
        plot_model(keras.Sequential([layers.Dense(1)]))


def test_pieces_hold_labels_for_what_shapes_the_maps():
    def build(x):
        x = layers.Conv2D(6, (3, 5), strides=2, padding="same")(x)
        x = layers.Conv2D(6, 3, groups=2, padding="same")(x)
        x = layers.Conv2D(6, 3, groups=6, padding="same")(x)
        x = layers.Conv2D(6, 3, dilation_rate=2, padding="same")(x)
        x = layers.Conv2DTranspose(6, 2, strides=2)(x)
        x = layers.SeparableConv2D(8, 3)(x)
        x = layers.MaxPooling2D(3, strides=2)(x)
        return layers.Dense(3)(layers.ReLU()(layers.BatchNormalization()(x)))

    found, _ = extract_nodes(_own(build))
    assert [piece.label for piece in found[1:]] == [
        *("3×5 conv 6 /2", "3×3 conv 6, 2 groups", "3×3 depthwise", "3×3 conv 6, dilated 2"),
        *("2×2 transposed conv 6 /2", "3×3 separable 8", "max pool 3×3 /2", "1×1 dense 3"),
    ]
    assert all(isinstance(piece, LayerNode) for piece in found)
