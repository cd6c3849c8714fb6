"""PNG files show every mark where it is, and text in any script that some font has."""

from __future__ import annotations

from pathlib import Path as File

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import features

from striate.reporting import fonts
from striate.reporting.marks import Box, Circle, Polyline, Raster, Rectangle, Text
from striate.reporting.panel import Drawing
from striate.reporting.png import MISSING_FONT_NOTE, render_png

RED, BLUE = "#FF0000", "#0000FF"


def pixels_of(*marks, dpi=144, size=(100, 60)):
    return np.asarray(render_png(Drawing(*size, marks), dpi)).astype(int)


def extent(pixels):
    """Returns left, top, right and bottom of what is not white."""
    rows, columns = np.nonzero((pixels < 200).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_an_image_has_two_pixels_a_point_at_144_dots_per_inch():
    assert pixels_of().shape == (120, 200, 3)
    assert pixels_of(dpi=72).shape == (60, 100, 3)


def test_rectangles_fill_their_box_and_no_more():
    pixels = pixels_of(Rectangle(Box(10, 20, 30, 5), RED))
    assert extent(pixels) == (20, 40, 80, 50)
    assert (pixels[40:50, 20:80] == (255, 0, 0)).all()
    half = pixels_of(Rectangle(Box(10, 20, 30, 5), RED, 0.5))
    assert half[45, 50] == pytest.approx((255, 127, 127), abs=1)


def test_horizontal_and_vertical_lines_are_sharp():
    pixels = pixels_of(Polyline(np.array([[10.0, 30.0], [90.0, 30.0]]), RED, 1))
    assert extent(pixels) == (20, 59, 180, 61)
    assert set(map(tuple, pixels.reshape(-1, 3).tolist())) == {(255, 255, 255), (255, 0, 0)}


def test_slanted_lines_are_smooth_and_as_wide_as_asked_for():
    pixels = pixels_of(Polyline(np.array([[10.0, 10.0], [90.0, 50.0]]), RED, 2))
    shades = np.unique(pixels[:, :, 1])
    assert len(shades) > 5, "no antialiasing"
    across = (255 - pixels[:, 100, 1]).sum() / 255
    assert across == pytest.approx(4 / np.cos(np.arctan(0.5)), rel=0.1)
    assert pixels[60, 100].tolist() == [255, 0, 0]


def test_a_dashed_line_is_drawn_in_part():
    points = np.array([[0.0, 10.0], [100.0, 50.0]])
    solid, dashed = (255 - pixels_of(Polyline(points, RED, 2, dash))[:, :, 1].astype(float) for dash in (None, (4, 4)))
    assert dashed.sum() / solid.sum() == pytest.approx(0.5, abs=0.1)


def test_what_is_clipped_is_not_drawn():
    clip = Box(20, 10, 30, 30)
    left, top, right, bottom = extent(pixels_of(Polyline(np.array([[0.0, 0.0], [100.0, 60.0]]), RED, 2, clip=clip)))
    assert left >= 40
    assert top >= 20
    assert right <= 100
    assert bottom <= 80
    assert (pixels_of(Polyline(np.array([[0.0, 0.0], [5.0, 5.0]]), RED, clip=clip)) == 255).all()


def test_disks_are_full_and_rings_are_hollow():
    disk, ring = pixels_of(Circle(50, 30, 10, RED)), pixels_of(Circle(50, 30, 10, RED, is_hollow=True, width=2))
    assert extent(disk) == pytest.approx((80, 40, 121, 81), abs=1)
    assert extent(ring) == pytest.approx((78, 38, 123, 83), abs=1)
    assert disk[60, 100].tolist() == [255, 0, 0]
    assert ring[60, 100].tolist() == [255, 255, 255]
    assert ring[60, 80].tolist() == [255, 0, 0]


def test_marks_beyond_the_edge_are_cut_off():
    pixels_of(Circle(-50, 30, 10, RED), Circle(0, 0, 10, RED), Polyline(np.array([[-9.0, -9.0], [500.0, 77.0]]), RED))


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
@pytest.mark.parametrize("angle", [0, 45, 90])
def test_texts_stand_at_their_anchor_at_any_angle(anchor, angle):
    left, top, right, bottom = extent(pixels_of(Text(50, 50, "HHHHH", anchor=anchor, angle=angle), size=(100, 100)))
    length = 2 * fonts.measure_text("HHHHH", 10)
    offset = {"start": 0, "middle": 0.5, "end": 1}[anchor] * length
    turn = np.deg2rad(angle)
    along, up = np.array([np.cos(turn), -np.sin(turn)]), np.array([-np.sin(turn), -np.cos(turn)])
    ends = np.array([100, 100]) + np.outer([-offset, length - offset], along)
    corners = np.concatenate([ends, ends + 14.6 * up])
    assert (left, top) == pytest.approx(corners.min(axis=0), abs=4)
    assert (right, bottom) == pytest.approx(corners.max(axis=0), abs=4)


def test_small_images_keep_square_pixels_and_large_ones_are_reduced_smoothly():
    board = np.indices((8, 8)).sum(axis=0)[:, :, None].astype(np.uint8) % 2 * 255
    sharp = pixels_of(Raster(Box(0, 0, 40, 40), board))
    assert set(np.unique(sharp[:80, :80])) == {0, 255}
    assert (sharp[:10, :10] == 0).all()
    large = np.indices((400, 400)).sum(axis=0)[:, :, None].astype(np.uint8) % 2 * 255
    smooth = pixels_of(Raster(Box(0, 0, 40, 40), large, is_smooth=True))[:80, :80]
    assert smooth.mean() == pytest.approx(127.5, abs=3)
    assert smooth.std() < 20


@pytest.fixture
def cat_font(tmp_path):
    """A folder with a font that has one letter, 猫, a bar of the whole square."""
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    glyphs = {}
    for name, height in ((".notdef", 100), ("cat", 900)):
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for point in ((0, height), (1000, height), (1000, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Cat", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    (tmp_path / "damaged.ttf").write_bytes(b"not a font")
    builder.save(tmp_path / "cat.ttf")
    return tmp_path


@pytest.fixture
def system_fonts(monkeypatch):
    """Sets the folders that are searched, and forgets what was found in others."""
    caches = (fonts.split_text_runs, fonts.measure_text, fonts._find_system_font, fonts._list_system_fonts)

    def forget():
        for cached in caches:
            cached.cache_clear()

    def use(*folders: File):
        monkeypatch.setattr(fonts, "FONT_FOLDERS", folders)
        forget()

    yield use
    forget()


def test_letters_that_dejavu_has_not_come_from_a_font_of_the_system(cat_font, system_fonts):
    system_fonts(cat_font)
    runs = fonts.split_text_runs("a 猫 b")
    assert [run.text for run in runs] == ["a ", "猫 ", "b"]
    assert [run.font_file and run.font_file.name for run in runs] == ["DejaVuSans.ttf", "cat.ttf", "DejaVuSans.ttf"]
    assert not any(run.is_missing for run in runs)
    pixels = pixels_of(Text(20, 40, "猫", 20))
    assert extent(pixels) == pytest.approx((40, 44, 80, 80), abs=1)
    assert fonts.measure_text("猫", 10) == pytest.approx(10, abs=0.5)


def test_a_mark_is_drawn_with_the_letter_that_it_belongs_to(cat_font, system_fonts):
    system_fonts(cat_font)
    runs = fonts.split_text_runs("e\u0301 猫\u0301\u094d b")
    assert [run.text for run in runs] == ["e\u0301 ", "猫\u0301\u094d ", "b"]
    assert [run.font_file and run.font_file.name for run in runs] == ["DejaVuSans.ttf", "cat.ttf", "DejaVuSans.ttf"]
    assert not any(run.is_missing for run in runs)


def test_a_line_says_so_where_no_font_has_a_letter(cat_font, system_fonts):
    system_fonts(cat_font / "absent")
    plain, missing = pixels_of(Text(20, 40, "cat")), pixels_of(Text(20, 40, "犬"))
    assert missing.shape[0] == plain.shape[0] + 32
    assert (missing[plain.shape[0] :] < 200).any(), "the line below is empty"
    assert fonts.measure_text("犬", 10) == 10, "as wide as in a page"
    assert "font" in MISSING_FONT_NOTE


def test_text_is_drawn_without_matplotlibs_fonts(monkeypatch, system_fonts, cat_font):
    monkeypatch.setattr(fonts, "find_bundled_font", lambda name="": None)
    system_fonts(cat_font / "absent")
    left, top, right, bottom = extent(pixels_of(Text(20, 40, "cat", 20)))
    assert (left, bottom) == pytest.approx((40, 80), abs=4)
    assert right - left > 40
    assert top > 40
    assert fonts.measure_text("cat", 20) > 15


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow without raqm shapes no Arabic")
def test_arabic_letters_are_joined_and_the_line_still_goes_from_left_to_right(system_fonts, cat_font):
    system_fonts(cat_font / "absent")
    assert fonts.measure_text("سسس", 20) < 2.5 * fonts.measure_text("س", 20), "three letters, none joined"
    word = pixels_of(Text(10, 40, "سسس", 20), size=(200, 60))
    sentence = pixels_of(Text(10, 40, "سسس 100 %", 20), size=(200, 60))
    right = extent(word)[2]
    assert (word[:, : right - 4] == sentence[:, : right - 4]).all(), "the word does not come first"
    assert extent(sentence)[2] > right + 40
