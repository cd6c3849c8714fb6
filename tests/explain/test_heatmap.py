"""Heat over an image: color where it is hot, the image in grayscale where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from striate.explain.heatmap import MAX_OVERLAYS, draw_overlays, render_overlay, save_overlay, shorten_name

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_color_lies_where_the_heat_is_and_grey_elsewhere():
    heat = np.zeros((20, 30), np.float32)
    heat[5:10, 8:16] = 3
    found = render_overlay(PICTURE, heat).astype(int)
    coloured = np.ptp(found, axis=2) > 1
    assert (coloured == (heat > 0)).mean() > 0.98
    gray = PICTURE.mean(axis=2)
    assert np.abs(found[heat == 0] - gray[heat == 0][:, None]).max() <= 1
    assert np.array_equal(render_overlay(PICTURE, 1000 * heat), render_overlay(PICTURE, heat))


def test_without_heat_the_image_stays_grey():
    found = render_overlay(PICTURE[:, :, :1], np.zeros((20, 30), np.float32))
    assert found.shape == (20, 30, 3)
    assert np.ptp(found, axis=2).max() == 0
    assert np.abs(found[:, :, 0].astype(int) - PICTURE[:, :, 0]).max() <= 1


def test_an_overlay_is_written_whole(tmp_path: Path):
    save_overlay(PICTURE, np.ones((20, 30), np.float32), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), render_overlay(PICTURE, np.ones((20, 30), np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_figure_holds_the_first_images_with_what_is_said():
    count = MAX_OVERLAYS + 5
    said = [f"image {number}" for number in range(count)]
    figure = draw_overlays([PICTURE] * count, [np.ones((20, 30), np.float32)] * count, said, "Title")
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.images] == said[:MAX_OVERLAYS]
    assert len(shorten_name("x" * 80)) <= 24
