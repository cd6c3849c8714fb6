"""The report page: one file that says how good the classifier is, and runs nothing that came with the data."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from striate.data_checks.finding import Finding
from striate.evaluation.report_page import (
    MAX_TABLE_CLASSES,
    RunFacts,
    describe_calibration,
    find_confused_pairs,
    format_insight,
    format_verdict,
    save_report_html,
    save_report_markdown,
)
from striate.reporting.html import format_percent_nbsp

EVIL = "<script>alert(1)</script>"
KERAS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


def _facts(**changes):
    facts = {
        "name": "run-1",
        "architecture": "cnn",
        "parameters": 1234,
        "training_seconds": 2.5,
        "state": "finished",
        "findings": (),
        "settings": {"epochs": 3, "dropout": None, "augment.flip": False, "augment.border": "mirror"},
        "versions": {"striate": "0.1.0"},
        "hardware": {"cores": 2},
        "command": "striate train photos",
        "validation_report": None,
    }
    return RunFacts(**(facts | changes))


def _page(tmp_path, measured, history=None, **facts):
    path = tmp_path / "report.html"
    save_report_html(path, _facts(**facts), history, measured)
    return path.read_text(encoding="utf-8")


class _Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@KERAS
def test_a_runs_page_states_its_result(digits_run):
    page = html.unescape((digits_run.path / "report.html").read_text(encoding="utf-8"))
    report = digits_run.report
    assert format_verdict(report) in page
    assert f"<b>{format_percent_nbsp(report.accuracy)}</b>" in page
    for row in report.classes:
        assert f'">{row.name}</th><td data-v="{row.support}">{row.support}</td>' in page
        low, high = row.recall_interval
        assert (
            f"{format_percent_nbsp(row.recall)}<small>{format_percent_nbsp(low)} to {format_percent_nbsp(high)}</small>"
            in page
        )
    assert "cnn-small" in page
    assert f"{digits_run.manifest.parameters:,}" in page
    assert f"The weights of epoch {digits_run.history.best_epoch} were kept." in page
    assert format_percent_nbsp(digits_run.validation_report.accuracy) in page


@KERAS
def test_a_page_needs_nothing_from_elsewhere(digits_run):
    page = (digits_run.path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://", page)
    elements = _Elements(page).found
    assert not {tag for tag, _ in elements} & {"iframe", "object", "embed", "form", "base"}
    sources = [attrs[name] for _, attrs in elements for name in ("src", "href", "srcset") if name in attrs]
    assert len(sources) > 20
    beside = [source for source in sources if not source.startswith(("data:", "#"))]
    assert beside == ["inside.html"]  # a link, to the page that every run has
    assert (digits_run.path / "inside.html").is_file()
    assert page.count("url(") == page.count("url(#")
    assert "@import" not in page
    assert not [name for _, attrs in elements for name in attrs if name.startswith("on")]
    policy = next(attrs["content"] for tag, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    allowed = re.search(r"script-src 'sha256-([^']+)'", policy)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() == allowed[1]
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


@KERAS
def test_every_image_of_a_page_can_be_seen(digits_run):
    page = (digits_run.path / "report.html").read_text(encoding="utf-8")
    for tag, attrs in _Elements(page).found:
        if tag == "img":
            data = base64.b64decode(attrs["src"].removeprefix("data:image/png;base64,"), validate=True)
            with Image.open(io.BytesIO(data)) as image:
                image.load()
            assert attrs["alt"]


@pytest.mark.parametrize(("size", "channels", "form"), [(64, 3, "PNG"), (65, 3, "WEBP"), (200, 1, "WEBP")])
def test_images_whose_pixels_are_seen_keep_them_and_larger_ones_are_small_files(
    forge, training, tmp_path, size, channels, form
):
    page = _page(tmp_path, forge(["a", "b"], size=size, channels=channels), training((1.0, 1.0), kept=1))
    images = [attrs for tag, attrs in _Elements(page).found if tag == "img"]
    assert len(images) == 6
    for attrs in images:
        kind, _, data = attrs["src"].partition(";base64,")
        assert kind == f"data:image/{form.lower()}"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            assert image.format == form
            assert image.size == (min(size, 112), min(size, 112))
        assert ("class" in attrs) == (form == "PNG")


def test_names_from_the_data_are_text_and_never_markup(forge, training, tmp_path):
    from dataclasses import replace

    measured = forge([EVIL, 'a" onerror="x', "b & c", "\x1b[31m"], each=6)
    keys = np.array([f'{EVIL}"{index}.jpg' for index in range(24)])
    images = replace(measured.decoded_set.images, keys=keys)
    measured = replace(
        measured,
        decoded_set=replace(measured.decoded_set, images=images),
        report=replace(measured.report, data=EVIL),
    )
    page = _page(
        tmp_path,
        measured,
        training((1.0, 1.0), kept=1),
        name=EVIL,
        architecture=EVIL,
        command=f"striate train {EVIL}",
        findings=(Finding("tiny_class", "warning", EVIL, EVIL),),
        settings={EVIL: EVIL},
        hardware={"processor": EVIL},
        versions={EVIL: EVIL},
    )
    assert page.count("<script") == 2
    assert "\x1b" not in page
    assert "\\u001b" not in page
    assert html.escape(EVIL) in page
    elements = _Elements(page).found
    assert not [name for _, attrs in elements for name in attrs if name.startswith("on")]
    assert {attrs["alt"] for tag, attrs in elements if tag == "img" and "tiny" in attrs.get("class", "")} >= {
        EVIL,
        'a" onerror="x',
        "b & c",
    }


@pytest.mark.parametrize("classes", [2, MAX_TABLE_CLASSES, MAX_TABLE_CLASSES + 1, 25])
def test_few_classes_get_a_table_of_numbers_and_many_an_image(forge, tmp_path, classes):
    page = _page(tmp_path, forge([f"class {number}" for number in range(classes)]))
    assert (f'aria-label="Confusion matrix of {classes} classes"' in page) == (classes > MAX_TABLE_CLASSES)
    assert ('<table class="matrix">' in page) == (classes <= MAX_TABLE_CLASSES)


def test_an_image_of_the_matrix_may_have_names_in_any_script(forge, tmp_path):
    assert "猫" in _page(tmp_path, forge([f"猫 {number} $x$" for number in range(30)]))


def test_the_table_of_confusions_holds_the_reports_numbers(forge, tmp_path):
    measured = forge(["a", "b", "c"], each=6)
    page = _page(tmp_path, measured)
    table = page[page.index('<table class="matrix">') :]
    table = table[: table.index("</table>")]
    cells = re.findall(
        r'<td(?: style="[^"]*")?>(?:<button[^>]*><span class="count">([\d,]+)</span>.*?</button>)?</td>', table
    )
    assert [int(cell or 0) for cell in cells] == [number for row in measured.report.confusion for number in row]


def test_a_page_without_errors_says_none(forge, tmp_path):
    page = _page(tmp_path, forge(["a", "b"], errors=False))
    assert "No image was misclassified." in page
    assert "<b>100.0\N{NO-BREAK SPACE}%</b>" in page
    assert page.count('<p class="note">None.</p>') == 1


def test_a_page_without_a_history_has_no_curves(forge, training, tmp_path):
    measured = forge(["a", "b"])
    assert "Learning curves" not in _page(tmp_path, measured)
    assert "Learning curves" not in _page(tmp_path, measured, training())
    assert "Learning curves" in _page(tmp_path, measured, training((1.0, 1.0)))


@pytest.mark.parametrize(
    ("settings", "explained"),
    [
        ({"dropout": 0.3}, True),
        ({"label_smoothing": 0.05, "dropout": None}, True),
        ({"augment.flip": True, "augment.border": "mirror"}, True),
        ({"augment.shift": 0.1}, True),
        ({"augment.flip": False, "augment.shift": 0.0, "augment.border": "mirror", "dropout": 0.0}, False),
    ],
)
def test_a_training_curve_below_validation_is_explained_where_it_is_to_be_expected(
    forge, training, tmp_path, settings, explained
):
    page = _page(tmp_path, forge(["a", "b"]), training((1.0, 1.0)), settings=settings)
    assert ("The training curve can lie below the validation curve" in page) == explained


def test_findings_keep_their_capital_letters(forge, tmp_path):
    finding = Finding("broken", "warning", "2 JPEG files of ABC are broken", "convert them to PNG")
    page = _page(tmp_path, forge(["a", "b"]), findings=(finding,))
    assert "2 JPEG files of ABC are broken. <span>Convert them to PNG.</span>" in page


def test_an_interrupted_training_is_told(forge, tmp_path):
    measured = forge(["a", "b"])
    assert "Its training was stopped early" in _page(tmp_path, measured, state="interrupted")
    assert "Its training was stopped early" not in _page(tmp_path, measured)


def test_the_commonest_confusions_come_first(forge):
    measured = forge(["a", "b", "c"], each=6)
    pairs = find_confused_pairs(measured.report)
    assert pairs == [(0, 1, "a", "b", 2, 2 / 6), (1, 2, "b", "c", 2, 2 / 6), (2, 0, "c", "a", 2, 2 / 6)]
    assert find_confused_pairs(measured.report, 1) == pairs[:1]
    assert find_confused_pairs(forge(["a", "b"], errors=False).report) == []


def test_the_same_as_markdown_has_the_same_figures_and_nothing_that_markdown_would_obey(forge, training, tmp_path):
    measured = forge([EVIL, "a|b", "[x](y)"], each=6)
    path = tmp_path / "report.md"
    facts = _facts(name="*run*", findings=(Finding("tiny_class", "warning", EVIL, EVIL),))
    save_report_markdown(path, facts, training((2.0, 2.1), (1.0, 1.2), kept=2), measured)
    text = path.read_text(encoding="utf-8")
    assert format_verdict(measured.report) in text
    assert "# \\*run\\*" in text
    assert "<script" not in re.sub(r"\\<", "", text)
    assert "| a\\|b | 6 |" in text
    assert "\\[x\\](y)" in text
    assert "2 (kept)" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    for row, cells in zip(measured.report.classes, measured.report.confusion, strict=True):
        assert f"{format_percent_nbsp(row.recall)} (" in text
        assert sum(cells) == row.support


def test_what_the_confidence_is_worth_is_said_in_words(forge):
    assert describe_calibration(0.01, 0.9, 0.9) == "Its confidence is well calibrated (off by 1.0 % on average)."
    assert describe_calibration(0.1, 0.9, 0.8).startswith("It is overconfident")
    assert describe_calibration(0.1, 0.7, 0.8).startswith("It is underconfident")
    said = format_insight(forge(["a", "b", "c"], each=6).report)
    assert said.startswith("Its most frequent confusion: “a” predicted as “b”, 2 of 6 images.")
    assert "confusion" not in format_insight(forge(["a", "b"], errors=False).report)
