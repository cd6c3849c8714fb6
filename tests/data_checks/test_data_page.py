"""data.html: one file, nothing from elsewhere, everything that was found."""

from __future__ import annotations

import base64
import html
import io
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder
from striate.data_checks.checks import inspect_images
from striate.data_checks.label_issues import LabelIssues
from striate.data_checks.report_page import save_data_page, summarize_findings

pytestmark = pytest.mark.fast

CHROMIUM = Path("/usr/bin/chromium")
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def faulty(scene, scenes):
    """A set with a leak, a broken file and a class with an evil name."""
    pictures = {f"train/{name}/{n}.png": scene(n) for n in range(24) for name in [("a", EVIL.replace("/", ""))[n % 2]]}
    pictures |= {
        f"test/{name}/{n}.png": scene(100 + n) for n in range(6) for name in [("a", EVIL.replace("/", ""))[n % 2]]
    }
    pictures["test/a/leak.jpg"] = scene(0)
    images = scenes(pictures)
    root = Path(images.sources[0]).parents[2]
    (root / "train" / "a" / "broken.jpg").write_bytes(b"<html>")
    return load_folder(root)


def page_of(images, path: Path, **options) -> str:
    inspection = inspect_images(images)
    save_data_page(path, inspection, inspection.findings, **options)
    return path.read_text(encoding="utf-8")


@pytest.mark.heavy
def test_every_finding_is_on_the_page_with_its_images(faulty, tmp_path: Path):
    inspection = inspect_images(faulty)
    page = html.unescape(page_of(faulty, tmp_path / "p.html", command="striate data faulty"))
    for finding in inspection.findings:
        assert finding.message[1:] in page and finding.advice in page
    assert 'title="test/a/leak.jpg"' in page and 'title="train/a/0.png"' in page
    assert "train/a/broken.jpg: a web page saved under an image's name" in page
    assert summarize_findings(inspection.findings).startswith("Not ready to be trusted: 1 error and")
    assert "striate data faulty" in page


@pytest.mark.heavy
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing_from_the_data(faulty, tmp_path: Path):
    page = page_of(faulty, tmp_path / "p.html")
    assert not re.search(r"https?://", page)
    assert "<script" not in page and "default-src 'none'" in page
    assert html.escape(EVIL.replace("/", "")) in page


def test_every_image_of_the_page_can_be_decoded(faulty, tmp_path: Path):
    found = re.findall(r'src="data:image/(\w+);base64,([^"]+)"', page_of(faulty, tmp_path / "p.html"))
    assert len(found) > 20
    for kind, data in found:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            image.load()
            assert image.format == kind.upper()


@pytest.mark.heavy
def test_labels_in_doubt_are_shown_with_what_they_may_be(photos: Path, tmp_path: Path):
    images = load_folder(photos)
    doubted = LabelIssues(
        images.keys[:2], images.labels[:2], np.array([1, 2]), np.array([-0.9, -0.4]), 1, images.classes
    )
    page = page_of(images, tmp_path / "p.html", label_issues=doubted)
    assert "Labels in doubt" in page and "slanting?</b> -0.90" in page
    assert "upright?</b> -0.40" not in page


@pytest.mark.heavy
def test_a_set_without_fault_and_one_of_tiny_arrays_have_a_page(photos: Path, tmp_path: Path):
    assert "Nothing was found that would mislead a training." in page_of(load_folder(photos), tmp_path / "p.html")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 8, 8), np.uint8)
    page = page_of(from_arrays(pixels, np.arange(60) % 3), tmp_path / "q.html")
    assert "8 px, all alike" in page


@pytest.mark.heavy
def test_many_classes_are_listed_and_the_first_are_shown(tmp_path: Path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (140, 8, 8), np.uint8)
    page = page_of(from_arrays(pixels, np.arange(140) % 70), tmp_path / "p.html")
    assert "The first 60 of 70 classes." in page
    assert page.count('class="row"') == 60 and page.count("<tr><td>") >= 70


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_the_page_without_scrolling_sideways(faulty, tmp_path: Path, width: int):
    path = tmp_path / "p.html"
    page = page_of(faulty, path)
    probe = "<script>document.title = document.documentElement.scrollWidth + ' ' + innerWidth</script>"
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("</body>", probe + "</body>")
    path.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--window-size={width},900"),
            *(f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>(\d+) (\d+)</title>", done.stdout)
    assert title is not None and int(title[1]) <= int(title[2])
