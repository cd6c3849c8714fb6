"""A real browser that opens pages, and what it says about them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

DRIVER = "/usr/bin/chromedriver"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera that shows a test image, and no question whether a page may see it."""


LOOKS = [
    (390, "light"),
    (1280, "dark"),
    pytest.param(390, "dark", marks=pytest.mark.slow),
    pytest.param(1280, "light", marks=pytest.mark.slow),
]
"""Width (pixels) and color scheme in which a page is looked at."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeats tests that take a width and a scheme."""
    if {"width", "scheme"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("width", "scheme"), LOOKS)


class Browser:
    """Chromium, told to log whatever a page asks of the model and complains about.

    Args:
        driver: selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path | str) -> None:
        """Opens a page, a file or an address; what was logged before is forgotten."""
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(path.as_uri() if isinstance(path, Path) else path)

    def complaints(self) -> list[str]:
        """Returns the console's messages."""
        return [row["message"] for row in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Returns the addresses that the page asked for, its own and what stands within it left out."""
        rows = [json.loads(row["message"])["message"] for row in self.driver.get_log("performance")]
        asked = [row["params"]["request"]["url"] for row in rows if row["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file:", "data:", "chrome"))]

    def violations(self) -> list[str]:
        """Returns what axe finds serious or critical, rule by rule with the elements."""
        axe = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
        self.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        self.driver.execute_script(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run().then(done, (e) => done({error: String(e)}))"
        )
        self.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})  # the next page is under its own again
        assert "error" not in found, found["error"]
        assert len(found["passes"]) > 5
        return [
            f"{row['id']}: {node['html'][:200]} {node['failureSummary']}"
            for row in found["violations"]
            if row["impact"] in ("serious", "critical")
            for node in row["nodes"]
        ]

    def resize(self, width: int, height: int = 900) -> None:
        """Makes the window so large, in CSS pixels; narrower than a window can be, too."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Asks for the `light` or the `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str, *values: Any) -> Any:
        """Returns what a script in the page returns."""
        return self.driver.execute_script(script, *values)

    def wait(self, condition: str, seconds: float = 20) -> None:
        """Returns once a script in the page returns true.

        Raises:
            TimeoutException: it does not within the seconds.
        """
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.02).until(lambda driver: driver.execute_script(condition))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser, or a skip where there is none."""
    if not shutil.which(DRIVER):
        pytest.skip(f"needs a browser and its driver: {DRIVER}")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        *CAMERA,
    ):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(120)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
