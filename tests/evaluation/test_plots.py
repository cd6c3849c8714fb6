"""Every figure really renders, whatever the classes are called and however the training went."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from striate import drawing
from striate.evaluation import plots

NAN, INF = float("nan"), float("inf")
NAMES = ["$x$", "猫", "<script>alert(1)</script>", "a" * 80, "_hidden", "$\\frac{", "red\x1b[31m", " ", "100 %", "é"]


def _pixels(figure, tmp_path):
    """Returns the saved figure's pixels, after checking that there is something on it."""
    path = tmp_path / "figure.png"
    drawing.save(figure, path)
    assert [child.name for child in tmp_path.iterdir()] == ["figure.png"]
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[0] >= 200
    assert pixels.shape[1] >= 300
    assert (pixels < 250).any(axis=2).mean() > 0.002, "an empty sheet"
    assert (pixels == 255).all(axis=2).any(), "no white ground"
    return pixels


def _has(pixels, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels.astype(int) - wanted).max(axis=2) <= 3).any()


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([(2.0, 2.1), (1.0, 1.2), (0.5, 1.3)], 2),
        ([(2.0, 2.1)], 1),
        ([(NAN, NAN), (1.0, 1.2)], 2),
        ([(1.0, 1.2), (NAN, INF), (0.9, 1.0)], 3),
        ([(1.0, INF)] * 3, 0),
        ([(1 / n, 1.1 / n) for n in range(1, 101)], 100),
    ],
    ids=["three epochs", "one epoch", "NaN first", "NaN and infinity between", "infinity only", "a hundred epochs"],
)
def test_curves_show_both_lines_however_the_training_went(training, tmp_path, losses, kept):
    figure = plots.curves(training(*losses, kept=kept))
    pixels = _pixels(figure, tmp_path)
    assert _has(pixels, drawing.TRAIN)
    assert _has(pixels, drawing.VALIDATION)
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels[:2] == ["training", "validation"]
    assert (len(labels) == 3) == bool(kept)
    if kept:
        assert labels[2] == f"epoch {kept} kept: {losses[kept - 1][1]:.4f}"


def test_curves_of_a_training_without_a_finite_number_render(training, tmp_path):
    _pixels(plots.curves(training((NAN, NAN), (NAN, NAN))), tmp_path)


def test_curves_draw_the_historys_own_numbers(training):
    history = training((2.0, 2.1), (1.0, 1.2), kept=2)
    accuracy, loss = plots.curves(history).axes
    assert loss.lines[0].get_ydata().tolist() == [2.0, 1.0]
    assert loss.lines[1].get_ydata().tolist() == [2.1, 1.2]
    assert accuracy.lines[1].get_ydata().tolist() == [row.val_accuracy for row in history.epochs]
    assert loss.get_ylim()[0] == 0


def test_a_confusion_matrix_of_any_class_names_renders(forge, tmp_path):
    measured = forge(NAMES)
    figure = plots.confusion(measured.report)
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown[0] == "$x$"
    assert shown[3] == "a" * 21 + "…"
    assert "\x1b" not in "".join(shown)
    numbers = {text.get_text() for text in figure.axes[0].texts}
    assert numbers == {"1", "2"}
    _pixels(figure, tmp_path)


@pytest.mark.parametrize("classes", [2, 30, 31, 200])
def test_a_confusion_matrix_of_any_size_renders(forge, tmp_path, classes):
    measured = forge([f"class {number}" for number in range(classes)])
    figure = plots.confusion(measured.report)
    assert len(figure.axes[0].get_yticklabels()) == classes
    assert bool(figure.axes[0].texts) == (classes <= 30)
    assert max(_pixels(figure, tmp_path).shape) < 4000


def test_a_confusion_matrix_with_a_class_without_pictures_renders(forge, tmp_path):
    measured = forge(["a", "b", "c"], each=1, errors=False)
    subset = measured.decoded.images.subset([0, 1])
    assert subset.counts()["c"] == 0
    from striate.evaluation.report import make_report

    rows = np.log(np.full((2, 3), 1 / 3))
    report = make_report("two", "test", subset.classes, subset.keys, subset.labels, rows)
    _pixels(plots.confusion(report), tmp_path)


@pytest.mark.parametrize(("size", "channels"), [(1, 1), (8, 1), (90, 3)])
def test_a_gallery_says_what_was_said_and_what_it_is(forge, tmp_path, size, channels):
    measured = forge(NAMES, size=size, channels=channels)
    right, wrong = plots.right_and_wrong(measured, 12)
    figure = plots.gallery(measured, wrong, "Answered wrongly")
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert len(titles) == len(wrong) == 10
    assert all("\nis " in title for title in titles)
    assert "\x1b" not in "".join(titles)
    pixels = _pixels(figure, tmp_path)
    assert _has(pixels, drawing.WRONG)
    pixels = _pixels(plots.gallery(measured, right, "Answered rightly"), tmp_path)
    assert _has(pixels, drawing.RIGHT)


def test_a_gallery_of_nothing_says_none(forge, tmp_path):
    measured = forge(["a", "b"], errors=False)
    figure = plots.gallery(measured, plots.right_and_wrong(measured)[1], "Answered wrongly")
    assert [text.get_text() for text in figure.axes[0].texts] == ["none"]
    _pixels(figure, tmp_path)


def test_pictures_to_show_are_spread_over_the_classes_and_errors_begin_with_the_surest(forge):
    measured = forge([f"class {number}" for number in range(6)], each=9)
    right, wrong = plots.right_and_wrong(measured, 12)
    labels = measured.decoded.images.labels
    assert (measured.predicted[right] == labels[right]).all()
    assert np.bincount(labels[right]).tolist() == [2] * 6
    assert len(set(right.tolist())) == 12
    assert (measured.predicted[wrong] != labels[wrong]).all()
    shares = measured.confidence[wrong].tolist()
    assert shares == sorted(shares, reverse=True)
    every = measured.confidence[measured.predicted != labels]
    assert shares[0] == every.max()


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0 %"),
        (0.123456, "12.3 %"),
        (0.9994, "99.9 %"),
        (0.99996, "99.9 %"),
        (1 - 1e-12, "99.9 %"),
        (1, "100.0 %"),
        (1.0, "100.0 %"),
    ],
)
def test_a_percentage_never_rounds_up_to_certainty(share, text):
    assert plots.percent(share) == text


def test_a_figure_that_cannot_be_written_leaves_nothing_behind(training, tmp_path):
    with pytest.raises(FileNotFoundError):
        drawing.save(plots.curves(training((1.0, 1.0))), tmp_path / "absent" / "curves.png")
    assert list(tmp_path.iterdir()) == []


def test_the_callers_own_matplotlib_settings_are_left_alone(training):
    import matplotlib as mpl

    mpl.use("agg")
    before = mpl.rcParams.copy()
    drawing.draw(plots.curves(training((1.0, 1.0))), io.BytesIO(), dpi=40)
    assert mpl.rcParams == before
