"""The map of the data, pointed at and clicked in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.explain.embedding_map import LabeledImages, save_embedding_map
from striate.explain.embeddings import find_neighbors
from striate.explain.projection import project_embeddings

EVIL = '</script><img src=x onerror="document.title=1">'
CLASSES = ("cat", EVIL, "猫")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of sixty images, a few of them answered wrongly."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    vectors = (6 * np.eye(3, 8)[labels] + rng.normal(0, 1, (60, 8))).astype(np.float32)
    fractions = np.full((60, 3), 0.1)
    fractions[np.arange(60), np.where(np.arange(60) % 10 == 4, (labels + 1) % 3, labels)] = 0.8
    pixels = rng.integers(0, 256, (60, 12, 10, 3), dtype=np.uint8)
    keys = [f"folder/{number}{EVIL if number == 5 else ''}.png" for number in range(60)]
    known = LabeledImages(keys[::-1], labels[::-1], pixels[::-1])
    path = tmp_path_factory.mktemp("map") / "map.html"
    found = find_neighbors(vectors[::-1], vectors, 4)
    save_embedding_map(
        path,
        EVIL,
        "test",
        CLASSES,
        LabeledImages(keys, labels, pixels),
        fractions,
        project_embeddings(vectors),
        known,
        found,
        (0.9, 0.8),
    )
    return path


def open_page(chromium: Any, page: Path, width: int = 1200, scheme: str = "light") -> None:
    """Opens the map."""
    chromium.resize(width)
    chromium.prefer(scheme)
    chromium.open(page)


def test_it_asks_for_nothing_and_everybody_can_read_it(chromium, page: Path, width: int, scheme: str):
    open_page(chromium, page, width, scheme)
    assert chromium.requests() == []
    assert chromium.violations() == []
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.complaints() == []
    assert chromium.run("return document.title") == f"Map of {EVIL}"


def test_the_surest_mistake_is_shown_first_with_what_it_resembles(chromium, page: Path):
    open_page(chromium, page)
    assert "taken for" in chromium.run("return document.querySelector('#image .wrong').textContent")
    near = chromium.run("return document.querySelectorAll('.near figure').length")
    first = chromium.run("return document.querySelector('.near figcaption').textContent")
    assert near == 4
    assert first.endswith("1.00")  # the image itself is among the known ones here


def test_pointing_shows_the_image_and_clicking_keeps_it(chromium, page: Path):
    from selenium.webdriver.common.action_chains import ActionChains

    open_page(chromium, page)
    before = chromium.run("return document.querySelector('#image h2').textContent")
    box = chromium.driver.find_element("id", "map")
    size = box.size
    shown = False
    for x in range(-300, 301, 12):  # somewhere on this line there is an image
        ActionChains(chromium.driver, duration=0).move_to_element_with_offset(box, x, 0).perform()
        if not chromium.run("return document.getElementById('tip').hidden"):
            shown = True
            break
    assert shown, size
    name = chromium.run("return document.querySelector('#tip span:nth-child(2)').textContent")
    ActionChains(chromium.driver).click().perform()
    assert chromium.run("return document.querySelector('#image h2').textContent") == name
    assert chromium.run("return document.querySelector('#tip .thumb').style.backgroundImage").startswith('url("data:')
    assert name != before or shown


def test_keys_and_buttons_go_through_the_images(chromium, page: Path):
    from selenium.webdriver.common.keys import Keys

    open_page(chromium, page)
    title = "return document.querySelector('#image h2').textContent"
    seen = {chromium.run(title)}
    for key in (Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_DOWN):
        chromium.driver.find_element("id", "map").send_keys(key)
        seen.add(chromium.run(title))
    assert len(seen) > 1
    mistakes = set()
    for _ in range(6):
        chromium.run("document.getElementById('mistake').click()")
        assert chromium.run("return document.querySelectorAll('#image .wrong').length") == 1
        mistakes.add(chromium.run(title))
    assert len(mistakes) == 6


def test_colors_and_classes_can_be_chosen(chromium, page: Path):
    open_page(chromium, page)
    image = "return document.querySelector('#map canvas').toDataURL()"
    before = chromium.run(image)
    chromium.run("document.querySelector('#legend button').click()")
    hidden = chromium.run(image)
    assert hidden != before
    assert chromium.run("return document.querySelector('#legend button').getAttribute('aria-pressed')") == "false"
    chromium.run("const c = document.getElementById('color'); c.value = 'right'; c.dispatchEvent(new Event('change'))")
    assert chromium.run(image) not in (before, hidden)
    assert chromium.complaints() == []
