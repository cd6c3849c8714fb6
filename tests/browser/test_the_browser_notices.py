"""The checks of the other tests here can fail."""

from __future__ import annotations

from pathlib import Path


def test_requests_complaints_and_violations_are_noticed(chromium, tmp_path: Path):
    page = tmp_path / "p.html"
    page.write_text(
        "<!doctype html><html lang=en><title>t</title><main><h1>t</h1><img src='http://127.0.0.1:9/x.png'>"
        "<p style='color:#ddd;background:#fff'>faint</p></main><script>console.error('no')</script></html>",
        encoding="utf-8",
    )
    chromium.resize(800)
    chromium.open(page)
    assert chromium.requests() == ["http://127.0.0.1:9/x.png"]
    assert any("no" in line for line in chromium.complaints())
    found = chromium.violations()
    assert any(line.startswith("image-alt") for line in found)
    assert any(line.startswith("color-contrast") for line in found)
