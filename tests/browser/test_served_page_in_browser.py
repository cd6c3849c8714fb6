"""The page of `striate serve`: an image from a file, the clipboard, the pad and the camera, and what is said of it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.classifier import Classifier
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import ACTIVE_BACKEND

pytestmark = pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="one backend serves as well as the other")

STRANGE = ("<img src=x onerror=alert(1)>", "äpfel 🙂 " + "with a very long name " * 3, "10")
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def server(serve, digits_run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serves the digits' run, and a classifier of color images with strange class names."""
    folder = tmp_path_factory.mktemp("strange")
    form = digits_run.classifier.preprocessing.__class__(24, 24, 3)
    Classifier(build_model(ARCHITECTURES["lenet"], form.shape, 3), STRANGE, form).save(folder / "strange")
    found = serve(digits_run.path, folder / "strange")
    yield found
    assert found.end() == 0


@pytest.fixture
def page(chromium, server) -> Iterator[Any]:
    """The page, opened, at a desktop's width."""
    chromium.resize(1200)
    chromium.prefer("light")
    chromium.open(server.said["address"])
    chromium.wait("return document.title !== 'Striate'")
    yield chromium
    assert [said for said in chromium.complaints() if "status of 422" not in said] == []  # a broken image's answer
    asked = [url for url in chromium.requests() if not url.startswith(("blob:", server.said["address"]))]
    assert asked == []


def digit(seed: int = 0) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def files(tmp_path: Path, count: int) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(digit(number))
    return paths


def choose(page, *paths: Path) -> None:
    page.driver.find_element("id", "file").send_keys("\n".join(map(str, paths)))


def shown(page) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in page.run(
            "return [...document.querySelectorAll('#bars li')].map((row) => [row.children[0].textContent, "
            "row.children[2].textContent])"
        )
    ]


def guess(page) -> str:
    return page.run("return document.getElementById('guess').textContent")


def draw(page, strokes: list[list[tuple[float, float]]]) -> None:
    """Draws lines on the pad with a mouse; places are fractions of its side."""
    from selenium.webdriver.common.action_chains import ActionChains

    pad = page.driver.find_element("id", "pad")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    width, height = pad.size["width"], pad.size["height"]
    for stroke in strokes:
        moves = ActionChains(page.driver, duration=0)
        (x, y), *rest = [((x - 0.5) * width, (y - 0.5) * height) for x, y in stroke]
        moves.move_to_element_with_offset(pad, x, y).click_and_hold()
        for to_x, to_y in rest:
            moves.move_to_element_with_offset(pad, to_x, to_y)
        moves.release().perform()


def test_a_chosen_image_is_answered_as_python_predictions_it(page, digits_run, tmp_path: Path):
    (path,) = files(tmp_path, 1)
    choose(page, path)
    page.wait("return document.querySelectorAll('#bars li').length === 5")
    expected = digits_run.classifier.predict(path)
    assert guess(page) == expected.label
    best = sorted(expected.probabilities.items(), key=lambda row: -row[1])[:5]
    assert [name for name, _ in shown(page)] == [name for name, _ in best]
    told = float(re.sub(r"[^0-9.]", "", shown(page)[0][1]))
    assert told == pytest.approx(100 * best[0][1], abs=0.11)
    assert "test images (95\N{NO-BREAK SPACE}% interval" in page.run(
        "return document.getElementById('about').textContent"
    )


def test_several_images_stay_and_can_be_returned_to(page, digits_run, tmp_path: Path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    paths = [*files(tmp_path, 3), broken]
    choose(page, *paths)
    page.wait("return document.getElementById('strip').children.length === 4")
    labels = page.run("return [...document.querySelectorAll('#strip button span')].map((one) => one.textContent)")
    assert labels == ["not read", *(digits_run.classifier.predict(path).label for path in reversed(paths[:3]))]
    assert "cannot be decoded" in guess(page)
    page.run("document.getElementById('strip').lastChild.focus()")
    page.driver.switch_to.active_element.send_keys(" ")
    assert guess(page) == digits_run.classifier.predict(paths[0]).label
    assert page.run("return document.getElementById('of').textContent") == "0.png"


@pytest.mark.parametrize("how", ["paste", "drop"])
def test_an_image_is_pasted_or_dropped(page, digits_run, how: str):
    page.run(
        "const [bytes, how] = arguments, given = new DataTransfer();"
        "given.items.add(new File([new Uint8Array(bytes)], 'given.png', {type: 'image/png'}));"
        "const event = how === 'paste' ? new ClipboardEvent('paste', {clipboardData: given, bubbles: true}) "
        ": new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true});"
        "document.body.dispatchEvent(event)",
        list(digit(5)),
        how,
    )
    page.wait("return document.querySelectorAll('#bars li').length === 5")
    assert guess(page) == digits_run.classifier.predict(digit(5)).label


ONE = [[(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]]
ZERO = [[(0.5 + 0.2 * np.sin(a), 0.5 - 0.35 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 20)]]
SEVEN = [[(0.3, 0.2), (0.7, 0.2), (0.55, 0.5), (0.45, 0.85)]]


def test_drawn_digits_are_read_as_they_are_drawn(page):
    page.driver.find_element("id", "tab-draw").click()
    read = {}
    for name, strokes in {"1": ONE, "0": ZERO, "7": SEVEN}.items():
        page.driver.find_element("id", "clear").click()
        page.wait("return document.getElementById('guess').textContent === '—'")
        draw(page, strokes)
        page.wait("return document.querySelectorAll('#bars li').length === 5")
        page.wait("return !document.getElementById('look').disabled")
        read[name] = guess(page)
    assert sum(name == said for name, said in read.items()) >= 2, read


def test_it_is_drawn_and_asked_with_keys_alone(page):
    from selenium.webdriver.common.keys import Keys

    tab = page.driver.find_element("id", "tab-draw")
    tab.send_keys(Keys.ENTER)
    pad = page.driver.find_element("id", "pad")
    pad.send_keys(Keys.ARROW_UP * 8, " ", Keys.ARROW_DOWN * 16, " ")
    page.wait("return document.querySelectorAll('#bars li').length === 5")
    before = page.run("return pad.isEmpty")
    pad.send_keys(Keys.DELETE)
    page.wait("return document.getElementById('guess').textContent === '—'")
    assert (before, page.run("return pad.isEmpty")) == (False, True)


def test_where_it_looked_is_shown(page, tmp_path: Path):
    choose(page, *files(tmp_path, 1))
    page.wait("return !document.getElementById('look').disabled")
    page.driver.find_element("id", "look").click()
    page.wait("return !document.getElementById('views').hidden && document.getElementById('heat').naturalWidth > 0")
    sizes = page.run("return ['seen', 'heat'].map((id) => document.getElementById(id).naturalWidth)")
    assert sizes == [8, 8]


def test_the_camera_is_watched_and_photographed(page):
    page.driver.find_element("id", "tab-camera").click()
    page.wait("return document.querySelectorAll('#bars li').length === 5")
    assert page.run("return document.getElementById('of').textContent") == "What the camera sees"
    page.driver.find_element("id", "shoot").click()
    page.wait("return document.getElementById('strip').children.length === 1")
    assert page.run("return camera.stream === null && PAGE.mode === 'image'")


def test_another_classifier_is_chosen_and_its_names_are_only_text(page, tmp_path: Path):
    from selenium.webdriver.support.ui import Select

    Select(page.driver.find_element("id", "classifier")).select_by_value("strange")
    page.wait("return document.getElementById('name').textContent === 'strange'")
    assert page.run("return document.getElementById('tab-draw').hidden")
    choose(page, *files(tmp_path, 1))
    page.wait("return document.querySelectorAll('#bars li').length === 3")
    assert {name for name, _ in shown(page)} == set(STRANGE)
    assert page.run("return document.querySelectorAll('main img[src=x]').length") == 0


def test_the_runs_own_pages_open_and_may_ask_for_nothing(page, server):
    links = page.run("return [...document.querySelectorAll('#pages a')].map((one) => one.href)")
    assert [link.split("?")[0].rsplit("/", 1)[1] for link in links] == ["inside", "report"]
    page.open(links[0])
    page.wait("return document.querySelectorAll('#overview .node').length > 3")
    assert page.run("return self.origin") == "null"
    page.open(server.said["address"])
    page.wait("return document.title !== 'Striate'")


def test_a_token_is_asked_for_once(chromium, serve, digits_run, tmp_path: Path):
    (tmp_path / "token").write_text(TOKEN)
    found = serve(digits_run.path, "--token-file", tmp_path / "token")
    try:
        chromium.resize(1200)
        chromium.open(found.said["address"])
        chromium.wait("return !document.getElementById('locked').hidden")
        assert chromium.run("return document.getElementById('desk').hidden")
        field = chromium.driver.find_element("id", "token")
        for word, is_right in (("wrong", False), (TOKEN, True)):
            field.send_keys(word)
            field.submit()
            chromium.wait(f"return document.getElementById('locked').hidden === {str(is_right).lower()}")
            if not is_right:
                chromium.wait("return document.getElementById('refused').textContent !== ''")
        choose(chromium, *files(tmp_path, 1))
        chromium.wait("return document.querySelectorAll('#bars li').length === 5")
        chromium.open(found.said["address"])  # again: it is remembered in the tab
        chromium.wait("return document.title === 'digits · Striate'")
        chromium.run("sessionStorage.clear()")
    finally:
        assert found.end() == 0


def test_it_can_be_read_by_everyone_at_every_width(page, tmp_path: Path, width: int, scheme: str):
    page.resize(width)
    page.prefer(scheme)
    choose(page, *files(tmp_path, 2))
    page.wait("return document.getElementById('strip').children.length === 2")
    page.driver.find_element("id", "look").click()
    page.wait("return !document.getElementById('views').hidden")
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.violations() == []
    page.driver.find_element("id", "tab-draw").click()
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth") <= width
