"""Whatever bytes come, they are decoded or refused: no crash, no hang, no unbounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and limits memory")

SCRIPT = Path(__file__).with_name("fuzz.py")
MIB = 2500  # at most; an image of as many pixels as are allowed takes ten bytes for each while it is converted


def fuzzed(seed: int, pictures: int, tables: int, cache: Path) -> dict[str, float]:
    folder = Path(os.environ.get("STRIATE_TEST_DATA") or "nowhere") / "odd_images" / "valid"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), *map(str, (seed, pictures, tables)), str(folder)],
        capture_output=True,
        text=True,
        timeout=3600,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_a_few_hundred_mutated_images_and_tables(tmp_path: Path):
    found = fuzzed(1, 400, 100, tmp_path)
    assert found["image decoded"] > 100 and found["image refused"] > 100
    assert found["table refused"] > 30
    assert found["peak_mib"] < MIB


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_ten_thousand_mutated_images_and_tables(tmp_path: Path, seed: int):
    found = fuzzed(seed, 4000, 1000, tmp_path)
    assert sum(number for name, number in found.items() if name.startswith(("image", "table"))) == 5000
    assert found["peak_mib"] < MIB
