"""Every look at the test pictures is noted, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.evaluation.test_access import NAME, note_opening, openings, said_of

pytestmark = pytest.mark.fast


def test_looks_are_noted_in_their_order(tmp_path: Path):
    assert openings(tmp_path) == ()
    assert said_of((), "test") == ""
    note_opening(tmp_path, "train")
    assert "opened once" in said_of(openings(tmp_path), "test")
    note_opening(tmp_path, "evaluate")
    found = openings(tmp_path)
    assert [one.by for one in found] == ["train", "evaluate"]
    assert said_of(found, "test").startswith(f"The test pictures were opened 2 times, first on {found[0].time[:10]}")


def test_a_damaged_list_is_none(tmp_path: Path):
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    assert openings(tmp_path) == ()
    (tmp_path / NAME).write_text("when,who\n1,2\n", encoding="utf-8")
    assert openings(tmp_path) == ()
