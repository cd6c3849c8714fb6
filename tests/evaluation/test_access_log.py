"""Every look at the test images is noted, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.evaluation.test_access import TEST_ACCESS_FILE, describe_test_access, load_access_records, log_test_access

pytestmark = pytest.mark.fast


def test_looks_are_noted_in_their_order(tmp_path: Path):
    assert load_access_records(tmp_path) == ()
    assert describe_test_access((), "test") == ""
    log_test_access(tmp_path, "train")
    assert "evaluated once" in describe_test_access(load_access_records(tmp_path), "test")
    log_test_access(tmp_path, "evaluate")
    found = load_access_records(tmp_path)
    assert [one.operation for one in found] == ["train", "evaluate"]
    assert describe_test_access(found, "test").startswith(
        f"The test set was evaluated 2 times, first on {found[0].time[:10]}"
    )


def test_a_damaged_list_is_none(tmp_path: Path):
    (tmp_path / TEST_ACCESS_FILE).write_bytes(b"\xff\xfe\x00")
    assert load_access_records(tmp_path) == ()
    (tmp_path / TEST_ACCESS_FILE).write_text("when,who\n1,2\n", encoding="utf-8")
    assert load_access_records(tmp_path) == ()
