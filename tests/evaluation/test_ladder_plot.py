"""The ladder's figures: every model named, and no name on top of another, of a dot or of a bar."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from striate.reporting.figures import save_figure
from striate.studies.ladder_plot import Point, accuracy_and_loss, ladder, scaled

NAMES = ("mlp", "lenet", "alexnet", "vgg-small", "googlenet", "resnet20")


def points(accuracies, seconds, work, half=0.002):
    return [
        Point(name, 1986 + 5 * index, a, (a - half, min(1.0, a + half)), 1 - a, s, int(w))
        for index, (name, a, s, w) in enumerate(zip(NAMES, accuracies, seconds, work, strict=False))
    ]


CASES = {
    "mnist": points(
        [0.976, 0.986, 0.990, 0.9931, 0.9928, 0.9933], [20, 31, 190, 260, 240, 280], [5e5, 4e5, 4e7, 1e8, 9e7, 3e7]
    ),
    "hard": points(
        [0.52, 0.61, 0.74, 0.79, 0.81, 0.83], [20, 31, 900, 2600, 2400, 2800], [2e7, 1e6, 7e8, 7e9, 1e9, 2e9], 0.06
    ),
    "one": points([0.9], [10], [1e6]),
    "perfect": points([1.0, 1.0, 0.999], [10, 11, 12], [1e6, 1e6, 1e6]),
    "crowded": points([0.99] * 6, [100, 101, 102, 103, 104, 105], [1e6] * 6, 0.0005),
}


def texts(axes):
    return [text for text in axes.texts if text.get_text()]


@pytest.mark.parametrize("name", CASES)
def test_names_cover_nothing_and_stay_inside(name):
    rows = CASES[name]
    figure = ladder(rows, title=name, note="")
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        labels = texts(axes)
        assert [text.get_text().split()[0] for text in labels] == [row.name for row in rows]
        boxes = [text.get_window_extent(renderer) for text in labels]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        panel = axes.get_window_extent(renderer)
        assert all(panel.x0 <= b.x0 and b.x1 <= panel.x1 and panel.y0 <= b.y0 and b.y1 <= panel.y1 for b in boxes)
        costs = [row.seconds if axes is figure.axes[0] else row.multiply_adds for row in rows]
        dots = axes.transData.transform([(cost, row.accuracy) for cost, row in zip(costs, rows, strict=True)])
        assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_both_panels_show_every_models_accuracy_and_bar():
    rows = CASES["hard"]
    figure = ladder(rows, title="hard", note="Bars: …")
    for axes, costs in zip(figure.axes, ([r.seconds for r in rows], [r.multiply_adds for r in rows]), strict=True):
        (container,) = axes.containers
        x, y = container[0].get_data()
        np.testing.assert_allclose(np.asarray(x, float), costs)
        np.testing.assert_allclose(np.asarray(y, float), [row.accuracy for row in rows])
        (bars,) = container[2]
        ends = [np.asarray(segment, float)[:, 1] for segment in bars.get_segments()]
        np.testing.assert_allclose(ends, [row.bar for row in rows])
        assert axes.get_xscale() == "log"
    low, high = figure.axes[0].get_ylim()
    assert low < min(row.bar[0] for row in rows) and max(row.bar[1] for row in rows) < high


def test_a_ladder_without_a_trained_model_says_so(tmp_path):
    figure = ladder([], title="nothing", note="")
    save_figure(figure, tmp_path / "empty.png")
    assert "No model has been trained." in [text.get_text() for text in figure.texts]


def test_accuracy_stands_beside_loss_in_the_order_given():
    rows = CASES["mnist"][:4]
    figure = accuracy_and_loss(rows, title="mnist", note="")
    left, right = figure.axes
    assert [label.get_text().split(",")[0] for label in left.get_yticklabels()] == [row.name for row in rows]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first is the uppermost
    assert [bar.get_width() for bar in right.patches] == [row.loss for row in rows]
    assert [text.get_text() for text in texts(left)] == ["97.60", "98.60", "99.00", "99.31"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.5, "0.5"),
        (30, "30"),
        (2800, "2,800"),
        (9999, "10 k"),
        (91946, "91.9 k"),
        (999_900, "1 M"),
        (1.82e9, "1.82 G"),
    ],
)
def test_numbers_are_written_in_three_digits(number, expected):
    assert scaled(number) == expected
