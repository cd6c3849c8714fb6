"""SVG is valid XML in which every text is text, and takes its colors from the page."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from striate.reporting.marks import Box, Circle, Polyline, Raster, Rectangle, Text
from striate.reporting.panel import Drawing
from striate.reporting.style import CSS_VARIABLES, TEXT_COLOR, TEXT_ON_DARK, TRAIN_COLOR, VALIDATION_COLOR
from striate.reporting.svg import render_svg_element, render_svg_file

EVIL = '</text><script>alert(1)</script>"&\x1b[31m\n$x$'
POINTS = np.array([[0, 0], [10, 0], [10, 5], [20, 9.123456]])


def drawing(*marks):
    return Drawing(100, 50, marks)


def test_texts_are_text_whatever_they_hold():
    page = render_svg_element(drawing(Text(1, 2, EVIL)), EVIL)
    tree = ET.fromstring(page)
    assert [element.tag for element in tree.iter()] == ["svg", "g", "text"]
    (text,) = tree.iter("text")
    assert text.text == '</text><script>alert(1)</script>"&\\x1b[31m $x$'
    assert tree.get("aria-label").replace("\n", " ").replace("  ", " ") == text.text
    assert tree.get("role") == "img"


def test_an_element_takes_its_colors_from_the_page_and_a_file_has_its_own():
    marks = (
        Polyline(POINTS, TRAIN_COLOR),
        Circle(1, 2, 3, VALIDATION_COLOR),
        Text(0, 0, "a", color="#C03221"),
        Text(0, 0, "b"),
    )
    page = str(render_svg_element(drawing(*marks), "label"))
    for color in (TRAIN_COLOR, VALIDATION_COLOR, "#C03221", TEXT_COLOR):
        assert f"var({CSS_VARIABLES[color]})" in page
        assert color not in page
        assert color in render_svg_file(drawing(*marks))
    assert "xmlns" not in page, "a page holds no address"


def test_text_on_a_colored_cell_keeps_its_color():
    assert TEXT_ON_DARK in render_svg_element(drawing(Text(0, 0, "1", color=TEXT_ON_DARK)), "label")


def test_path_data_are_the_points():
    page = render_svg_element(drawing(Polyline(POINTS, TRAIN_COLOR, 2, (4, 2), 0.5)), "label")
    assert 'd="M0 0H10V5L20 9.12"' in page
    assert "stroke-dasharray:4 2;opacity:0.5" in page


def test_a_clipped_line_lies_in_an_element_that_hides_the_rest():
    tree = ET.fromstring(render_svg_element(drawing(Polyline(POINTS, TRAIN_COLOR, clip=Box(1, 2, 10, 4))), "label"))
    inner = tree.find("g/svg")
    assert [inner.get(name) for name in ("x", "y", "width", "height")] == ["1", "2", "10", "4"]
    assert inner.get("viewBox") == "1 2 10 4"


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_held_with_every_pixel(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, channels), dtype=np.uint8)
    page = render_svg_element(drawing(Raster(Box(0, 0, 30, 40), pixels)), "label")
    data = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1])
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    assert "image-rendering:pixelated" in page
    assert "pixelated" not in render_svg_element(drawing(Raster(Box(0, 0, 30, 40), pixels, is_smooth=True)), "label")


def test_a_file_is_a_whole_document_in_points():
    text = render_svg_file(drawing(Rectangle(Box(0, 0, 10, 10), TRAIN_COLOR), Text(5, 5, "a", angle=90, anchor="end")))
    tree = ET.fromstring(text)
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert (tree.get("width"), tree.get("viewBox")) == ("100pt", "0 0 100 50")
    assert 'transform="rotate(-90 5 5)"' in text
    assert 'text-anchor="end"' in text
