"""Every figure really renders, whatever the classes are called and however the training went."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.evaluation import plots
from striate.reporting import style
from striate.reporting.figures import render_figure, save_figure
from striate.reporting.fonts import measure_text
from striate.reporting.heatmap import GALLERY_COLUMN_WIDTH
from striate.reporting.marks import Raster, Text

NAN, INF = float("nan"), float("inf")
NAMES = ["$x$", "猫", "<script>alert(1)</script>", "a" * 80, "_hidden", "$\\frac{", "red\x1b[31m", " ", "100 %", "é"]


def _pixels(figure, tmp_path):
    """Returns the saved figure's pixels, after checking that there is something on it."""
    path = tmp_path / "figure.png"
    save_figure(figure, path)
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
    figure = plots.draw_training_curves(training(*losses, kept=kept))
    pixels = _pixels(figure, tmp_path)
    assert _has(pixels, style.TRAIN_COLOR)
    assert _has(pixels, style.VALIDATION_COLOR)
    labels = [entry.label for entry in figure.panels[1].legend_entries]
    assert figure.texts.count("training") == figure.texts.count("validation") == 2
    assert set(labels) <= set(figure.texts)
    assert labels[:2] == ["training", "validation"]
    assert (len(labels) == 3) == bool(kept)
    if kept:
        assert labels[2] == f"epoch {kept} kept: {losses[kept - 1][1]:.4f}"


def test_curves_of_a_training_without_a_finite_number_render(training, tmp_path):
    _pixels(plots.draw_training_curves(training((NAN, NAN), (NAN, NAN))), tmp_path)


def test_curves_draw_the_historys_own_numbers(training):
    history = training((2.0, 2.1), (1.0, 1.2), kept=2)
    accuracy, loss = plots.draw_training_curves(history).panels
    assert (accuracy.title, loss.title) == ("Accuracy", "Loss")
    assert loss.series[0].x == (1, 2)
    assert loss.series[0].y == (2.0, 1.0)
    assert loss.series[1].y == (2.1, 1.2)
    assert accuracy.series[1].y == tuple(row.val_accuracy for row in history.epochs)
    assert loss.y_limits[0] == 0
    assert loss.y_limits[1] > 2.1
    assert loss.vertical_lines == accuracy.vertical_lines == [2.0]


def test_a_confusion_matrix_of_any_class_names_renders(forge, tmp_path):
    measured = forge(NAMES)
    figure = plots.draw_confusion_matrix(measured.report)
    shown = figure.texts
    for name in ("$x$", "猫", "<script>alert(1)</scr…", "a" * 21 + "…", "_hidden", "red\\x1b[31m", "100 %"):
        assert shown.count(name) == 2, "once for its row, once for its column"
    assert "\x1b" not in "".join(shown)
    assert {"predicted", "true", "fraction of the true class", "Confusion matrix, 30 images"} <= set(shown)
    counts = np.array(measured.report.confusion)
    written = [mark.text for mark in figure.marks if isinstance(mark, Text) and mark.text.isdecimal()]
    assert written == [str(count) for count in counts[counts > 0]]
    _pixels(figure, tmp_path)


@pytest.mark.parametrize("classes", [2, 30, 31, 200])
def test_a_confusion_matrix_of_any_size_renders(forge, tmp_path, classes):
    measured = forge([f"class {number}" for number in range(classes)])
    figure = plots.draw_confusion_matrix(measured.report)
    for number in range(classes):
        assert figure.texts.count(f"class {number}") == 2
    assert any(text.isdecimal() for text in figure.texts) == (classes <= 30)
    (cells, _) = (mark.pixels for mark in figure.marks if isinstance(mark, Raster))
    assert cells.shape == (classes, classes, 3)
    is_empty = np.array(measured.report.confusion) == 0
    assert ((cells == 255).all(axis=2) == is_empty).all()
    assert max(_pixels(figure, tmp_path).shape) < 4000


def test_a_confusion_matrix_with_a_class_without_images_renders(forge, tmp_path):
    measured = forge(["a", "b", "c"], each=1, errors=False)
    subset = measured.decoded_set.images.subset([0, 1])
    assert subset.count_by_class()["c"] == 0
    from striate.evaluation.report import make_report

    rows = np.log(np.full((2, 3), 1 / 3))
    report = make_report("two", "test", subset.classes, subset.keys, subset.labels, rows)
    _pixels(plots.draw_confusion_matrix(report), tmp_path)


@pytest.mark.parametrize(("size", "channels"), [(1, 1), (8, 1), (90, 3)])
def test_a_gallery_says_what_was_said_and_what_it_is(forge, tmp_path, size, channels):
    measured = forge(NAMES, size=size, channels=channels)
    right, wrong = plots.select_examples(measured, 12)
    figure = plots.draw_prediction_gallery(measured, wrong, "Answered wrongly")
    images = [mark for mark in figure.marks if isinstance(mark, Raster)]
    assert len(images) == len(wrong) == 10
    for image, index in zip(images, wrong, strict=True):
        assert np.array_equal(image.pixels, measured.decoded_set.pixels[index])
        assert image.is_smooth == (size > 64)
    assert sum(text.startswith("is ") for text in figure.texts) == 10
    assert sum(text.endswith(" %") for text in figure.texts) >= 10
    assert "\x1b" not in "".join(figure.texts)
    pixels = _pixels(figure, tmp_path)
    assert _has(pixels, style.INCORRECT_COLOR)
    pixels = _pixels(plots.draw_prediction_gallery(measured, right, "Answered rightly"), tmp_path)
    assert _has(pixels, style.CORRECT_COLOR)


def test_a_gallery_of_nothing_says_none(forge, tmp_path):
    measured = forge(["a", "b"], errors=False)
    figure = plots.draw_prediction_gallery(measured, plots.select_examples(measured)[1], "Answered wrongly")
    assert figure.texts == ["Answered wrongly", "none"]
    _pixels(figure, tmp_path)


def test_images_to_show_are_spread_over_the_classes_and_errors_begin_with_the_surest(forge):
    measured = forge([f"class {number}" for number in range(6)], each=9)
    right, wrong = plots.select_examples(measured, 12)
    labels = measured.decoded_set.images.labels
    assert (measured.predicted_labels[right] == labels[right]).all()
    assert np.bincount(labels[right]).tolist() == [2] * 6
    assert len(set(right.tolist())) == 12
    assert (measured.predicted_labels[wrong] != labels[wrong]).all()
    fractions = measured.confidence[wrong].tolist()
    assert fractions == sorted(fractions, reverse=True)
    every = measured.confidence[measured.predicted_labels != labels]
    assert fractions[0] == every.max()


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
    assert plots.format_percent(share) == text


def test_a_figure_that_cannot_be_written_leaves_nothing_behind(training, tmp_path):
    with pytest.raises(FileNotFoundError):
        save_figure(plots.draw_training_curves(training((1.0, 1.0))), tmp_path / "absent" / "curves.png")
    assert list(tmp_path.iterdir()) == []


def test_the_callers_own_matplotlib_settings_are_left_alone():
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.use("agg")
    before = mpl.rcParams.copy()
    render_figure(Figure(), io.BytesIO(), dpi=40)
    assert mpl.rcParams == before


def test_the_same_figure_is_the_same_file(forge, training, tmp_path):
    measured = forge(NAMES)
    _, wrong = plots.select_examples(measured)
    for ending in ("png", "svg"):
        written = []
        for number in range(2):
            for name, figure in (
                ("curves", plots.draw_training_curves(training((2.0, 2.1), (1.0, 1.2), kept=2))),
                ("confusion", plots.draw_confusion_matrix(measured.report)),
                ("wrong", plots.draw_prediction_gallery(measured, wrong, "Answered wrongly")),
            ):
                path = tmp_path / f"{name}-{number}.{ending}"
                save_figure(figure, path)
                written.append(path.read_bytes())
        assert written[:3] == written[3:]


def test_captions_end_before_the_next_image_begins(forge):
    measured = forge(["W" * 60, "i" * 60, "猫" * 60])
    right, wrong = plots.select_examples(measured)
    for indices in (right, wrong):
        captions = [
            mark
            for mark in plots.draw_prediction_gallery(measured, indices, "").marks
            if isinstance(mark, Text) and mark.size == 8
        ]
        assert captions
        assert all(measure_text(mark.text, 8) < GALLERY_COLUMN_WIDTH for mark in captions)
        assert all("…" in mark.text for mark in captions)


def test_figures_need_no_matplotlib():
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from striate.evaluation import plots, report_page\n"
        "from striate.training.history import EpochMetrics, History\n"
        "from striate.reporting.figures import save_figure\n"
        "from pathlib import Path\n"
        "history = History((EpochMetrics(1, 1.0, 0.5, 1.0, 0.5, 1e-3, 1.0, 100.0, 10.0),), 1)\n"
        "save_figure(plots.draw_training_curves(history), Path(sys.argv[1]))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.png"
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        with Image.open(path) as image:
            assert image.size == (1440, 547)
