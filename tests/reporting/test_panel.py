"""A plot's lines lie where its numbers are, between axes that say so."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from striate.reporting.axes import lay_out_legend, simplify_line
from striate.reporting.fonts import measure_text
from striate.reporting.marks import Box, Circle, Polyline, Rectangle, Text
from striate.reporting.panel import Annotation, Axis, Bars, Drawing, Panel, Series
from striate.reporting.style import INCORRECT_COLOR, TRAIN_COLOR, VALIDATION_COLOR
from striate.reporting.svg import render_svg_element

BOX = Box(2, 2, 356, 270)
NAN, INF = float("nan"), float("inf")


def scales(marks):
    """Returns functions from places to values, read off the ticks' labels as a reader does."""
    texts = [mark for mark in marks if isinstance(mark, Text) and re.fullmatch(r"−?[\d.]+", mark.text)]
    below = {mark.x: float(mark.text.replace("−", "-")) for mark in texts if mark.anchor == "middle"}
    beside = {mark.y - 3.6: float(mark.text.replace("−", "-")) for mark in texts if mark.anchor == "end"}
    return [np.polynomial.Polynomial.fit(list(one), list(one.values()), 1) for one in (below, beside)]


def lines(marks, color):
    return [mark for mark in marks if isinstance(mark, Polyline) and mark.color == color]


def test_a_line_goes_through_its_numbers_as_the_ticks_tell_them():
    x, y = (0.0, 10.0, 20.0, 50.0), (3.0, -1.0, 7.5, 2.0)
    marks = Panel(x=Axis(limits=(-5, 60)), series=[Series(x, y, TRAIN_COLOR)]).lay_out(BOX)
    to_x, to_y = scales(marks)
    (line,) = lines(marks, TRAIN_COLOR)
    assert to_x(line.points[:, 0]) == pytest.approx(x, abs=0.1)
    assert to_y(line.points[:, 1]) == pytest.approx(y, abs=0.05)


def test_points_rings_and_intervals_lie_where_their_numbers_are():
    one = Series(
        (1.0, 2.0), (0.5, 0.7), INCORRECT_COLOR, radius=3, is_hollow=True, width=0, intervals=((0.4, 0.6), (0.7, 0.9))
    )
    marks = Panel(x=Axis(limits=(0, 3)), y=Axis(limits=(0, 1)), series=[one]).lay_out(BOX)
    _, to_y = scales(marks)
    circles = [mark for mark in marks if isinstance(mark, Circle)]
    assert [to_y(circle.y) for circle in circles] == pytest.approx([0.5, 0.7], abs=0.01)
    assert all(circle.is_hollow for circle in circles)
    bars = [to_y(line.points[:, 1]) for line in lines(marks, INCORRECT_COLOR) if line.points[0, 0] == line.points[1, 0]]
    assert np.array(bars) == pytest.approx(np.array([[0.4, 0.6], [0.7, 0.9]]), abs=0.01)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_line_is_interrupted_where_a_number_is_not_finite(bad):
    series = Series((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, 2.0, bad, 3.0, bad, 4.0), TRAIN_COLOR)
    marks = Panel(series=[series]).lay_out(BOX)
    assert [len(line.points) for line in lines(marks, TRAIN_COLOR)] == [2]
    assert sum(isinstance(mark, Circle) for mark in marks) == 2, "numbers alone are points"
    for mark in marks:
        if isinstance(mark, Polyline):
            assert np.isfinite(mark.points).all()


def test_no_number_at_all_still_gives_axes():
    for series in ([], [Series((), (), TRAIN_COLOR, "a")], [Series((1.0,), (NAN,), TRAIN_COLOR, "a")]):
        marks = Panel("Title", series=series, legend_location="best").lay_out(BOX)
        assert "Title" in [mark.text for mark in marks if isinstance(mark, Text)]
        assert not [mark for mark in marks if isinstance(mark, Circle)]


def test_steps_hold_a_value_on_from_its_place_or_up_to_it():
    for step, corner in (("post", (2.0, 1.0)), ("pre", (1.0, 5.0))):
        marks = Panel(
            x=Axis(limits=(0, 3)),
            y=Axis(limits=(0, 6)),
            series=[Series((1.0, 2.0), (1.0, 5.0), TRAIN_COLOR, step=step)],
        ).lay_out(BOX)
        to_x, to_y = scales(marks)
        (line,) = lines(marks, TRAIN_COLOR)
        assert (to_x(line.points[1, 0]), to_y(line.points[1, 1])) == pytest.approx(corner, abs=0.02)


def test_what_lies_beyond_the_limits_is_clipped_and_points_there_are_left_out():
    series = Series((0.0, 5.0, 10.0), (0.0, 5.0, 10.0), TRAIN_COLOR, radius=2)
    marks = Panel(x=Axis(limits=(0, 6)), y=Axis(limits=(0, 6)), series=[series]).lay_out(BOX)
    (line,) = lines(marks, TRAIN_COLOR)
    assert line.clip is not None
    assert sum(isinstance(mark, Circle) for mark in marks) == 2
    assert line.clip.right <= BOX.right


def test_bars_stand_on_zero_and_are_as_high_as_their_numbers():
    marks = Panel(x=Axis(limits=(0, 100)), bars=[Bars((25.0, 75.0), (10.0, 40.0), 20, VALIDATION_COLOR)]).lay_out(BOX)
    to_x, to_y = scales(marks)
    found = [mark.box for mark in marks if isinstance(mark, Rectangle)]
    assert [to_y(box.y) for box in found] == pytest.approx([10, 40], abs=0.5)
    assert [to_y(box.bottom) for box in found] == pytest.approx([0, 0], abs=0.5)
    assert [to_x(box.x) for box in found] == pytest.approx([15, 65], abs=0.5)


@pytest.mark.parametrize("high", [1.0, 1e-4, 1e7, 123456.0])
def test_all_texts_lie_within_the_box_and_tick_labels_apart(high):
    panel = Panel("Title", Axis("x", (0, high)), Axis("y", (0, high)), [Series((0.0, high), (0.0, high), TRAIN_COLOR)])
    marks = panel.lay_out(BOX)
    spans = {"middle": [], "end": []}
    for mark in marks:
        if isinstance(mark, Text) and not mark.angle:
            width = measure_text(mark.text, mark.size, is_bold=mark.is_bold)
            left = mark.x - {"start": 0, "middle": width / 2, "end": width}[mark.anchor]
            assert left >= BOX.x - 1
            assert left + width <= BOX.right + 1
            assert BOX.y <= mark.y <= BOX.bottom
            if mark.anchor == "middle" and mark.text != "x":
                spans["middle"].append((left, left + width))
    for one, other in combinations(spans["middle"], 2):
        assert one[1] < other[0] or other[1] < one[0]


@pytest.mark.parametrize("y", [(0.0, 10.0), (10.0, 0.0)], ids=["rising", "falling"])
def test_the_legend_is_where_least_is_drawn(y):
    series = [Series((0.0, 10.0), y, TRAIN_COLOR, "a series"), Series((0.0, 10.0), y, INCORRECT_COLOR, "another")]
    marks = Panel(series=series, legend_location="best").lay_out(BOX)
    text = next(mark for mark in marks if isinstance(mark, Text) and mark.text == "a series")
    path, sample = (line.points for line in lines(marks, TRAIN_COLOR))
    assert sample[1, 0] < text.x
    height = np.polynomial.Polynomial.fit(path[:, 0], path[:, 1], 1)(text.x)
    assert abs(text.y - height) > 30


def test_a_legend_names_what_has_a_label_in_order():
    series = [
        Series((0.0,), (0.0,), TRAIN_COLOR, "_first"),
        Series((0.0,), (0.0,), TRAIN_COLOR),
        Series((0.0,), (0.0,), TRAIN_COLOR, "b"),
    ]
    assert [entry.label for entry in Panel(series=series).legend_entries] == ["_first", "b"]
    assert [entry.label for entry in Panel(series=series, is_legend_reversed=True).legend_entries] == ["b", "_first"]
    marks = lay_out_legend(Panel(series=series).legend_entries, BOX, "lower right", 9, [])
    texts = [mark for mark in marks if isinstance(mark, Text)]
    assert [mark.text for mark in texts] == ["_first", "b"]
    assert texts[0].y < texts[1].y < BOX.bottom
    assert all(mark.x + measure_text(mark.text, 9) <= BOX.right for mark in texts)


def test_notes_stand_beside_their_place():
    marks = Panel(x=Axis(limits=(0, 1)), y=Axis(limits=(0, 1)), annotations=[Annotation(0.5, 0.5, "here")]).lay_out(BOX)
    to_x, to_y = scales(marks)
    (note,) = (mark for mark in marks if isinstance(mark, Text) and mark.text == "here")
    assert to_x(note.x - 4) == pytest.approx(0.5, abs=0.01)
    assert to_y(note.y + 4) == pytest.approx(0.5, abs=0.01)


def test_a_long_line_is_thinned_to_what_can_be_seen():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 300, 50_000)
    y = 100 + np.cumsum(rng.normal(0, 0.3, len(x)))
    thinned = simplify_line(np.stack([x, y], axis=1))
    assert len(thinned) < 5000
    assert thinned[0] == pytest.approx((x[0], y[0]), abs=0.01)
    assert thinned[-1] == pytest.approx((x[-1], y[-1]), abs=0.01)
    assert thinned[:, 1].min() == pytest.approx(y.min(), abs=0.01)
    assert thinned[:, 1].max() == pytest.approx(y.max(), abs=0.01)
    assert np.abs(np.interp(x, thinned[:, 0], thinned[:, 1]) - y).max() < 5


def test_points_on_the_way_between_their_neighbors_are_left_out_and_turns_are_kept():
    stairs = np.array([[0, 0], [1, 0], [2, 0], [2, 1], [2, 3], [5, 3], [4, 3], [4, 4]], float)
    assert simplify_line(stairs).tolist() == [[0, 0], [2, 0], [2, 3], [5, 3], [4, 3], [4, 4]]
    assert simplify_line(stairs[:2]).tolist() == stairs[:2].tolist()


def test_a_thousand_epochs_are_a_small_element():
    x = tuple(float(number) for number in range(1000))
    series = [Series(x, tuple(1 / (1 + value) for value in x), TRAIN_COLOR, "a", step="post")]
    marks = Panel(series=series, legend_location="best").lay_out(BOX)
    assert len(render_svg_element(Drawing(360, 274, tuple(marks)), "curve")) < 40_000
