"""The report as its readers see it: nothing asked of the network, nothing complained about, everything reachable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from striate.data.decoded_cache import DecodedSet
from striate.data.loaders.arrays import from_arrays
from striate.data_checks.finding import Finding
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.report import make_report
from striate.evaluation.report_page import Advice, RunFacts, save_report_html
from striate.evaluation.selective import compute_operating_point
from striate.evaluation.test_access import AccessRecord
from striate.training.history import EpochMetrics, History

EVIL = '</script><img src=x onerror="document.title=1">'
CLASSES = ("cat", EVIL, "猫", "a name that is rather longer than others are")


def measured(classes: tuple[str, ...], n: int, side: int = 12) -> Evaluation:
    """Returns answers with errors in most cells."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % len(classes)
    rows = log_softmax(rng.normal(0, 1, (n, len(classes))) + 2.5 * (labels[:, None] == np.arange(len(classes))), axis=1)
    pixels = rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    images = from_arrays(pixels, labels, classes=classes, name="made up")
    report = make_report("made up", "test", images.classes, images.keys, images.labels, rows)
    return Evaluation(report, DecodedSet(images, pixels, {}), rows)


def save(path: Path, given: Evaluation) -> None:
    """Writes a page on which everything is shown."""
    facts = RunFacts(
        name=EVIL,
        architecture="cnn",
        parameters=1234,
        training_seconds=12.0,
        state="finished",
        findings=(Finding("tiny_class", "warning", EVIL, "Look at it."),),
        settings={"epochs": 3, "dropout": 0.5},
        versions={"striate": "1"},
        hardware={"cores": 2},
        command="striate train photos --name " + "long" * 40,
        validation_report=given.report,
        access_records=(AccessRecord("2026-01-02T03:04:05+00:00", "train"),),
        temperature=1.3,
        operating_point=compute_operating_point(given.predictions, 0.8),
        advice=(Advice("error", EVIL, EVIL, f"striate train {EVIL}"),),
    )
    rows = [EpochMetrics(n, 1 / n, 0.5 + n / 20, 1.1 / n, 0.5 + n / 25, 1e-3, 1.0, 100.0, 0.1) for n in range(1, 9)]
    save_report_html(path, facts, History(tuple(rows), 7), given)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """A page of four classes."""
    path, given = tmp_path_factory.mktemp("report") / "report.html", measured(CLASSES, 200)
    save(path, given)
    return path, given


def test_it_asks_for_nothing_complains_of_nothing_and_axe_finds_nothing_serious(chromium, small, width, scheme):
    chromium.resize(width)
    chromium.prefer(scheme)
    chromium.open(small[0])
    assert chromium.requests() == []
    assert chromium.complaints() == []
    assert chromium.run("return document.title") == EVIL + " · Striate report"
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.violations() == []


def test_a_cell_opens_the_images_behind_it(chromium, small):
    path, given = small
    chromium.resize(1200)
    chromium.open(path)
    labels, predicted = given.decoded_set.images.labels, given.predicted_labels
    cells = chromium.run("return [...document.querySelectorAll('table.matrix [data-cell]')].map((b) => b.dataset.cell)")
    assert {tuple(map(int, cell.split(","))) for cell in cells} == set(
        zip(labels.tolist(), predicted.tolist(), strict=True)
    )
    for cell in ("0,1", "1,0", "1,1"):
        i, j = map(int, cell.split(","))
        chromium.run("document.querySelector(`table.matrix [data-cell='${arguments[0]}']`).click()", cell)
        assert chromium.run("return document.getElementById('cell').open")
        shown = chromium.run(
            "return [...document.querySelectorAll('#cell figure')].map((f) => [f.querySelector('img').title, "
            "f.querySelector('img').naturalWidth, f.querySelector('.first b').textContent])"
        )
        keys = set(given.decoded_set.images.keys[(labels == i) & (predicted == j)].tolist())
        assert 0 < len(shown) <= 24
        assert {key for key, _, _ in shown} <= keys
        assert all(width == 12 and said == CLASSES[j] for _, width, said in shown)
        title = chromium.run("return document.getElementById('cell-title').textContent")
        assert CLASSES[i] in title
        assert chromium.violations() == []
        chromium.run("document.getElementById('cell-close').click()")
        assert not chromium.run("return document.getElementById('cell').open")
    assert chromium.complaints() == []


def test_a_heading_sorts_the_classes_and_says_so(chromium, small):
    path, given = small
    chromium.resize(1200)
    chromium.open(path)
    names = "return [...document.querySelectorAll('#classes tbody tr')].map((r) => r.cells[0].textContent)"
    button = "[...document.querySelectorAll('#classes thead button')].find((b) => b.textContent === 'recall')"
    ascending = [row.name for row in sorted(given.report.classes, key=lambda row: row.recall)]
    for expected, said in ((ascending[::-1], "descending"), (ascending, "ascending")):
        chromium.run(f"{button}.click()")
        assert chromium.run(names) == expected
        assert chromium.run(f"return {button}.parentElement.ariaSort") == said
    chromium.run("document.querySelector('#classes thead button').click()")
    assert chromium.run(names) == list(CLASSES)


def test_counts_become_shares(chromium, small):
    path, given = small
    chromium.open(path)
    seen = "return document.querySelector(`table.matrix [data-cell='0,0']`).innerText"
    cell = given.report.confusion[0][0]
    assert chromium.run(seen) == str(cell)
    chromium.run("document.getElementById('as-shares').click()")
    assert chromium.run(seen) == f"{100 * cell / given.report.classes[0].support:.1f}"


def test_many_classes_have_a_figure_and_their_confusions_open(chromium, tmp_path: Path):
    given = measured(tuple(f"class {n}" for n in range(40)), 800)
    save(tmp_path / "r.html", given)
    chromium.resize(1200)
    chromium.open(tmp_path / "r.html")
    assert chromium.violations() == []
    chromium.run("document.querySelector('ol.pairs button').click()")
    total = int(chromium.run("return document.querySelector('ol.pairs button').dataset.total"))
    assert chromium.run("return document.querySelectorAll('#cell figure').length") == min(24, total)
    assert chromium.complaints() == []
