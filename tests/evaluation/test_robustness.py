"""Images made worse: each corruption does what its name says, more with every severity, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.evaluation.corruptions import CORRUPTIONS, MAX_SEVERITY
from striate.evaluation.plots import draw_corruption_sheet, draw_robustness
from striate.evaluation.robustness import CorruptionCurve, Robustness, compute_robustness, corrupt_images
from striate.reporting.figures import save_figure

pytestmark = pytest.mark.fast


def scene(channels: int, side: int = 48) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    layers = [(x * 255 // (side - 1)), (y * 255 // (side - 1)), ((x // 6 + y // 6) % 2) * 200]
    pixels = np.stack(layers, axis=-1).astype(np.uint8)
    return pixels if channels == 3 else pixels.mean(axis=2, keepdims=True).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_grows_with_its_severity_and_keeps_the_form(name: str, channels: int):
    pixels = scene(channels)
    before, away = pixels.copy(), []
    for severity in range(1, MAX_SEVERITY + 1):
        found = CORRUPTIONS[name](pixels, severity, np.random.default_rng(0))
        assert found.shape == pixels.shape and found.dtype == np.uint8
        away.append(np.abs(found.astype(int) - pixels).mean())
    np.testing.assert_array_equal(pixels, before)
    assert away[0] > 0.5 and away[-1] > away[0]
    if name not in ("another angle", "smaller"):  # which come full circle on a chessboard
        assert away == sorted(away)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (300, 200)])
def test_images_of_any_size_can_be_made_worse(name: str, shape: tuple[int, int]):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert CORRUPTIONS[name](pixels, 5, np.random.default_rng(0)).shape == pixels.shape


def test_the_same_seed_makes_the_same_images():
    pixels = np.stack([scene(3)] * 3)
    one, two = (corrupt_images(pixels, CORRUPTIONS["noise"], 3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one[0].astype(int) - one[1]).max() > 0  # each image in its own way


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_classifier_loses_with_severity_and_the_figure_shows_it(digits_run, tmp_path):
    classifier = digits_run.classifier
    decoded = decode_all(load_images("digits"), classifier.preprocessing)
    found = compute_robustness(classifier, decoded, sample_size=300)
    assert found.n == 300 and found.interval[0] <= found.accuracy <= found.interval[1]
    assert {curve.name for curve in found.curves} == set(CORRUPTIONS)
    assert [curve.relative_accuracy for curve in found.curves] == sorted(
        curve.relative_accuracy for curve in found.curves
    )
    by_name = {curve.name: curve for curve in found.curves}
    assert by_name["another angle"].accuracies[-1] < by_name["another angle"].accuracies[0]
    assert by_name["noise"].relative_accuracy < 1.01
    save_figure(draw_robustness(found), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 1000


def test_the_weakest_point_is_told_with_what_may_help():
    wide = ((0.0, 1.0),) * MAX_SEVERITY
    curves = [
        CorruptionCurve(name, (fraction,) * MAX_SEVERITY, wide, fraction / 0.98)
        for name, fraction in (("noise", 0.5), ("JPEG", 0.97))
    ]
    found = Robustness(100, 0.98, (0.93, 0.99), tuple(curves))
    assert found.describe_weakest_point() == (
        "Weakest under noise: 50.0 % on average over the severities, instead of 98.0 %. "
        "Try: training images of that kind."
    )
    turned = Robustness(100, 0.98, (0.93, 0.99), (CorruptionCurve("another angle", (0.5,) * MAX_SEVERITY, wide, 0.51),))
    assert turned.describe_weakest_point().endswith("Try: rotate=30 in --augment.")
    assert Robustness(100, 0.98, (0.93, 0.99), tuple(curves[1:])).describe_weakest_point() == (
        "Under every corruption 99 % or more of the accuracy is kept."
    )


@pytest.mark.heavy
@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_shows_an_image_under_each_severity(channels: int):
    figure = draw_corruption_sheet(scene(channels))
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == len(CORRUPTIONS) * (MAX_SEVERITY + 1)
    assert all(np.array_equal(one, scene(channels).squeeze()) for one in shown[:: MAX_SEVERITY + 1])
