"""Strangers' tools against a running server: schemathesis, which asks all that the OpenAPI document lets it ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from striate.system.backend import ACTIVE_BACKEND

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="one backend serves as well as the other"),
]


def test_schemathesis_finds_nothing(serve, digits_run):
    server = serve(digits_run.path)
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.said['address']}openapi.json"),
                *("--max-examples", "200", "--seed", "1", "--no-color", "--generation-database", "none"),
                *("--exclude-checks", "positive_data_acceptance"),  # no schema says which bytes are an image
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "Tested: 18" in done.stdout, done.stdout[-3000:]
        assert server.ask("GET", "/v2/health/ready")[0] == 200
    finally:
        assert server.end() == 0
