"""The pages of comparisons and of data, seen in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.data.loaders.arrays import from_arrays
from striate.data_checks.checks import inspect_images
from striate.data_checks.report_page import save_data_page
from striate.evaluation.comparison.compare import compare
from striate.evaluation.comparison.comparison_page import list_image_keys, save_comparison_html
from striate.evaluation.comparison.run_summary import RunSummary
from striate.evaluation.prediction_table import PredictionRecord
from striate.evaluation.report import make_report
from striate.training.history import EpochMetrics

CLASSES = ("<b>cat</b>", "dog", "猫")


def contender(name: str, seed: int, sharpness: float) -> RunSummary:
    """Returns a run's answers to 300 images."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(300) % 3).astype(np.int32)
    rows = rng.normal(0, 1, (300, 3)) + sharpness * (labels[:, None] == np.arange(3))
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    keys = np.array([f"{number}.png" for number in range(300)])
    report = make_report("pets", "test", CLASSES, keys, labels, rows)
    predictions = {
        str(key): PredictionRecord(CLASSES[label], CLASSES[row.argmax()], float(np.exp(row.max())))
        for key, label, row in zip(keys, labels, rows, strict=True)
    }
    epochs = tuple(EpochMetrics(n, 1 / n, 0.5, 1 / n, 0.5, 1e-3, 1.0, 1.0, 0.0) for n in range(1, 4))
    settings = {"seed": seed, "dropout": sharpness}
    return RunSummary(name, settings, report, predictions, epochs, 3, 1000, 1.0, "print", 5000)


def test_a_comparison(chromium, tmp_path: Path, width: int, scheme: str):
    found = compare([contender("one", 1, 1.0), contender("two", 2, 3.0), contender("two-b", 3, 3.0)])
    rng = np.random.default_rng(0)
    images = {key: rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for key in list_image_keys(found)}
    save_comparison_html(tmp_path / "c.html", found, images, command="striate compare one two")
    look(chromium, tmp_path / "c.html", width, scheme)


def test_a_data_set(chromium, tmp_path: Path, width: int, scheme: str):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (90, 24, 24, 3), dtype=np.uint8)
    pixels[3] = pixels[40]
    images = from_arrays(pixels, np.arange(90) % 3, classes=CLASSES, name="pets")
    found = inspect_images(images)
    save_data_page(tmp_path / "d.html", found, found.findings)
    look(chromium, tmp_path / "d.html", width, scheme)


def look(chromium, path: Path, width: int, scheme: str) -> None:
    """Opens the page and looks for anything wrong with it."""
    chromium.resize(width)
    chromium.prefer(scheme)
    chromium.open(path)
    assert chromium.requests() == []
    assert chromium.complaints() == []
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.violations() == []
