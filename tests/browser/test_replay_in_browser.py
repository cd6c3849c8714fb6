"""A training's replay, moved through in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.explain.training_replay import Replay, save_replay_page
from striate.training.history import EpochMetrics

EVIL = '</script><img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five epochs, in which the predictions grow surer."""
    rng = np.random.default_rng(0)
    predictions = np.full((5, 4, 3), 0.0, np.float32)
    for at in range(5):
        predictions[at] = (1 - (at + 1) / 6) / 2
        predictions[at, np.arange(4), np.arange(4) % 3] = (at + 1) / 6
    replay = Replay(
        np.arange(1, 6, dtype=np.int32),
        predictions,
        rng.normal(0, 1, (5, 6, 3, 3, 1)).astype(np.float32),
        rng.normal(0, 1, (5, 30, 2)).astype(np.float32),
        rng.integers(0, 256, (4, 9, 9, 1), dtype=np.uint8),
        np.arange(4, dtype=np.int32) % 3,
        np.arange(30, dtype=np.int32) % 3,
        ("a.png", "b.png", EVIL, "d.png"),
        ("cat", EVIL, "猫"),
    )
    epochs = [EpochMetrics(n, 1 / n, 0.5 + n / 20, 1.2 / n, 0.5 + n / 30, 1e-3, 1.0, 1.0, 1.0) for n in range(1, 6)]
    path = tmp_path_factory.mktemp("replay") / "replay.html"
    save_replay_page(path, EVIL, replay, epochs, best_epoch=4)
    return path


def test_it_asks_for_nothing_and_everybody_can_read_it(chromium, page: Path, width: int, scheme: str):
    chromium.resize(width)
    chromium.prefer(scheme)
    chromium.open(page)
    assert chromium.requests() == []
    assert chromium.violations() == []
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.complaints() == []


def test_the_slider_moves_everything(chromium, page: Path):
    from selenium.webdriver.common.keys import Keys

    chromium.resize(1200)
    chromium.prefer("light")
    chromium.open(page)
    first = "return document.querySelector('#images li.true b').textContent"
    images = "return ['points', 'filters'].map((name) => document.getElementById(name).toDataURL())"
    assert chromium.run("return document.getElementById('epoch').textContent") == "epoch 5"
    assert chromium.run(first) == "83.3 %"
    before = chromium.run(images)
    slider = chromium.driver.find_element("id", "frame")
    slider.send_keys(Keys.ARROW_LEFT)
    assert chromium.run("return document.getElementById('epoch').textContent") == "epoch 4 (kept)"
    assert chromium.run(first) == "66.7 %"
    assert all(now != then for now, then in zip(chromium.run(images), before, strict=True))
    slider.send_keys(Keys.HOME)
    assert chromium.run(first) == "16.7 %"
    assert "training 1.0000, validation 1.2000" in chromium.run("return document.getElementById('curves').textContent")
    chromium.run("document.getElementById('play').click()")
    chromium.wait("return document.getElementById('epoch').textContent === 'epoch 5'")
    chromium.wait("return document.getElementById('play').getAttribute('aria-pressed') === 'false'")
