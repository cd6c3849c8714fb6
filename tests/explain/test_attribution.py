"""Where a model looked: held against closed forms, against axioms, and against models that have learned nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.explain.attribution import ATTRIBUTION_METHODS, Attributor, compute_attribution
from striate.explain.feature_maps import find_map_layer
from striate.explain.gradients import GRADIENT_BATCH_SIZE, GradientFunction
from striate.explain.methods import compute_signed_attributions, grad_cam_pp
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

FORM = Preprocessing(32, 32, 3)


def untrained(name: str, form: Preprocessing = FORM, classes: int = 3) -> Classifier:
    set_seed(1)
    model = build_model(ARCHITECTURES[name], form.shape, classes, dropout=0.2)
    return Classifier(model, [f"class {n}" for n in range(classes)], form, architecture=name)


def pictures(count: int, form: Preprocessing = FORM) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, *form.shape)).astype(np.uint8)


def logits(model, values) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(np.asarray(values, np.float32), training=False))


@pytest.fixture(scope="module")
def resnet() -> Classifier:
    return untrained("resnet20")


def nested(classes: int = 3) -> Classifier:
    """A model whose convolutions are a model of their own, within a Sequential, as tutorials build it."""
    set_seed(2)
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="early")(pixels)
    x = keras.layers.MaxPooling2D(4)(x)
    inner = keras.Model(pixels, keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="features")(x))
    layers = [keras.layers.Rescaling(1 / 255), inner, keras.layers.GlobalAveragePooling2D(name="embedding")]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers, keras.layers.Dense(classes, name="logits")])
    return Classifier(model, [f"class {n}" for n in range(classes)], FORM)


# Gradients


@pytest.mark.backend
def test_gradients_with_respect_to_pixels_are_differences_of_logits():
    model = untrained("lenet").model
    given = pictures(2).astype(np.float32)
    asked = np.array([0, 2])
    found = GradientFunction(model)(given, asked)
    np.testing.assert_allclose(found.logits, logits(model, given), atol=1e-5)
    direction = np.random.default_rng(0).normal(size=given.shape).astype(np.float32)
    up, down = (logits(model, given + sign * 0.5 * direction)[[0, 1], asked] for sign in (1, -1))
    expected = np.einsum("nhwc,nhwc->n", found.gradients, direction)
    np.testing.assert_allclose(up - down, expected, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("make", [lambda: untrained("resnet20"), nested], ids=["resnet20", "nested"])
def test_behind_global_pooling_grad_cam_is_cam_in_closed_form(make):
    """Zhou et al., arXiv:1512.04150: then the gradient is the last layer's weight, over the number of places."""
    classifier = make()
    given, asked = pictures(GRADIENT_BATCH_SIZE + 3), np.arange(GRADIENT_BATCH_SIZE + 3) % 3
    layer = find_map_layer(classifier.model)
    assert layer.name == "features"
    found = GradientFunction(classifier.model, layer)(given, asked)
    kernel = keras.ops.convert_to_numpy(classifier.model.get_layer("logits").kernel)
    places = found.values.shape[1] * found.values.shape[2]
    expected = np.broadcast_to(kernel.T[asked][:, None, None] / places, found.values.shape)
    np.testing.assert_allclose(found.gradients, expected, atol=1e-6)
    cam = np.maximum(np.einsum("nhwc,nc->nhw", found.values, kernel.T[asked]) / places, 0)
    heat = compute_attribution(classifier, given, target_classes=asked).heatmaps
    for one, two in zip(heat, cam.astype(np.float32), strict=True):
        np.testing.assert_allclose(one, cv2.resize(two, (32, 32)), atol=1e-6 + 1e-4 * cam.max())


def test_values_are_what_the_layer_gives_and_the_layer_is_left_as_it_was(resnet):
    layer = resnet.model.get_layer("stage2_block1_relu1")
    given = pictures(3)
    before = logits(resnet.model, given)
    found = GradientFunction(resnet.model, layer)(given, np.zeros(3, np.intp))
    probe = keras.Model(resnet.model.input, layer.output)
    np.testing.assert_allclose(found.values, logits(probe, given), atol=1e-4)
    assert "call" not in vars(layer)
    np.testing.assert_array_equal(logits(resnet.model, given), before)


def test_gradients_follow_weights_that_change_after_compiling():
    classifier = nested()
    gradient, given, asked = GradientFunction(classifier.model), pictures(2), np.array([0, 1])
    first = gradient(given, asked)
    last = classifier.model.get_layer("logits")
    last.set_weights([2 * value for value in last.get_weights()])
    np.testing.assert_allclose(gradient(given, asked).gradients, 2 * first.gradients, rtol=1e-4, atol=1e-7)


# Methods


@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
@pytest.mark.parametrize("name", ["lenet", "cnn-fast"])
def test_every_method_gives_heat_for_every_image(method: str, name: str):
    form = Preprocessing(28, 36, 3)
    found = compute_attribution(untrained(name, form), pictures(2, form), method=method)
    assert found.heatmaps.shape == (2, 28, 36)
    assert found.heatmaps.dtype == np.float32
    assert np.isfinite(found.heatmaps).all()
    assert (found.heatmaps >= 0).all()
    assert found.method == method


@pytest.mark.backend
def test_integrated_gradients_add_up_to_the_difference_of_logits(digits_run):
    classifier = digits_run.classifier
    given = _digits(classifier)[:20]
    asked = classifier.predict_probabilities(given).argmax(axis=1)
    found = compute_signed_attributions(GradientFunction(classifier.model), given, asked).sum(axis=(1, 2, 3))
    rows = np.arange(len(given))
    expected = (logits(classifier.model, given) - logits(classifier.model, 0 * given))[rows, asked]
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=0.05)


def test_occlusion_finds_the_one_place_that_matters():
    pixels = keras.Input((30, 30, 1))
    cut = keras.layers.Cropping2D(((4, 20), (18, 6)))(pixels)
    ends = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(cut))
    model = keras.Model(pixels, ends)
    model.set_weights([np.stack([np.ones(36), -np.ones(36)], axis=1).astype(np.float32), np.zeros(2, np.float32)])
    image = np.full((1, 30, 30, 1), 20, np.uint8)
    image[:, 4:10, 18:24] = 250
    classifier = Classifier(model, ["a", "b"], Preprocessing(30, 30, 1))
    heat = compute_attribution(classifier, image, method="occlusion", target_classes=np.array([0])).heatmaps[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= row < 10 and 18 <= column < 24
    assert heat[:, :10].max() == 0


def test_behind_global_pooling_grad_cam_pp_has_a_closed_form_too():
    """There the gradient g is the same at all places, and equation 19 becomes g² / (2g² + g³ ΣA) = 1 / (2 + g ΣA)."""
    classifier = nested()
    gradient = GradientFunction(classifier.model, find_map_layer(classifier.model))
    given, asked = pictures(4), np.array([0, 1, 2, 0])
    maps = gradient(given, asked).values.astype(np.float64)
    places = maps.shape[1] * maps.shape[2]
    slope = keras.ops.convert_to_numpy(classifier.model.get_layer("logits").kernel).T[asked] / places
    weights = places * np.maximum(slope, 0) / (2 + slope * maps.sum(axis=(1, 2)))
    expected = np.einsum("nhwc,nc->nhw", maps, weights).astype(np.float32)
    heat = grad_cam_pp(gradient, given, asked)
    assert heat.max() > 0
    for one, two in zip(heat, expected, strict=True):
        np.testing.assert_allclose(one, cv2.resize(two, (32, 32)), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
def test_a_model_that_forgot_what_it_learned_looks_elsewhere(digits_run, method: str):
    """Adebayo et al., Sanity checks for saliency maps, arXiv:1810.03292: a map that stays when the weights are drawn
    anew shows the image's edges and nothing of the model.
    """
    classifier = digits_run.classifier
    given = _digits(classifier)[:40]
    asked = classifier.predict_probabilities(given).argmax(axis=1)
    set_seed(5)
    model = build_model(ARCHITECTURES["cnn-small"], classifier.preprocessing.shape, 10)
    random = Classifier(model, classifier.classes, classifier.preprocessing)

    def looked(one: Classifier) -> np.ndarray:
        if method == "integrated-gradients":  # without signs, they have the shape of what is not black
            return compute_signed_attributions(GradientFunction(one.model), given, asked).sum(axis=3)
        return compute_attribution(one, given, method=method, target_classes=asked).heatmaps

    maps = [looked(one) for one in (classifier, random)]
    pairs = [pair for pair in zip(*maps, strict=True) if all(np.ptp(one) > 0 for one in pair)]  # both have any heat
    same = [spearmanr(one.ravel(), two.ravel()).statistic for one, two in pairs]
    assert len(same) >= 10
    assert np.mean(np.abs(same)) < 0.75
    np.testing.assert_allclose(looked(classifier), maps[0], rtol=1e-3, atol=1e-5 * maps[0].max())


def _digits(classifier: Classifier) -> np.ndarray:
    from striate.data.loaders.load import load_images

    images = load_images("digits")
    return np.stack([classifier.preprocessing(images.read(index)) for index in range(0, 400, 8)])


# What is asked


def test_lenet_is_looked_at_where_its_maps_still_tell_places():
    assert find_map_layer(untrained("lenet").model).name == "s4"


def test_the_share_in_the_centre_of_even_heat_is_a_half():
    found = Attributor(untrained("lenet"))(pictures(1))
    even = type(found)(np.ones((2, 64, 96), np.float32), found.target_classes, "grad-cam", None)
    assert even.compute_central_fractions() == pytest.approx(0.5, abs=0.03)
    nothing = type(found)(np.zeros((1, 8, 8), np.float32), found.target_classes, "grad-cam", None)
    assert np.isnan(nothing.compute_central_fractions()).all()


def test_what_cannot_be_asked_is_refused(resnet):
    with pytest.raises(UnknownNameError, match="grad-cam"):
        compute_attribution(resnet, pictures(1), method="grad-camm")
    with pytest.raises(ConfigError, match="no layer with maps of that name"):
        compute_attribution(resnet, pictures(1), layer="dense")
    with pytest.raises(ConfigError, match="looks at no layer"):
        compute_attribution(resnet, pictures(1), method="saliency", layer="features")
    with pytest.raises(ConfigError, match="occlusion"):
        compute_attribution(untrained("mlp"), pictures(1))
    for wrong in (pictures(1)[0], pictures(0), pictures(1)[:, :30]):
        with pytest.raises(DataError, match="not the model's images"):
            compute_attribution(resnet, wrong)
    assert compute_attribution(untrained("mlp"), pictures(1), method="occlusion").layer is None
