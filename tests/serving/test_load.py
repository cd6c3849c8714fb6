"""The rows of benchmarks/serving.py in small, on digits: that answers are right and none is lost, not how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # `make serving` runs them; test_serving.py has each in small

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "serving.py"


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "digits", "--quick", "--rows", "throughput,malformed,ends,swaps"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert "{" in done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])["rows"]
    return found


def test_every_image_gets_its_own_answer_while_others_leave(rows: dict[str, Any]):
    row = rows["throughput"]
    assert row["distinct_pictures"] == 500
    assert row["requests_left"] > 0
    assert row["wrong_answers"] == 0


def test_nonsense_of_many_kinds_is_refused_from_a_closed_list(rows: dict[str, Any]):
    row = rows["malformed"]
    assert row["kinds"] >= 40
    assert sum(row["codes"].values()) == row["requests"] == 200
    assert row["wrong"] == 0, row["first_wrong"]


def test_no_request_is_lost_when_it_ends(rows: dict[str, Any]):
    row = rows["ends"]
    assert row["requests"] > 300
    assert row["lost"] == 0


def test_new_versions_take_over_without_a_failed_request(rows: dict[str, Any]):
    row = rows["swaps"]
    assert row["damaged_refused"] == 1
    assert len(row["by_version"]) == 2
    assert row["wrong"] == 0, row["first_wrong"]
