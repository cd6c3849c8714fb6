"""What could be left out: always one of each duplicate group stays, and the test split keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.data.corrections import apply_corrections
from striate.data.loaders.folder import load_folder
from striate.data_checks.checks import inspect_images, suggest_corrections

pytestmark = pytest.mark.fast


@pytest.mark.heavy
def test_each_finding_has_its_repair_and_a_repaired_set_has_none_left(scene, scenes):
    pictures = {f"train/{'ab'[n % 2]}/{n}.png": scene(n) for n in range(40)}
    pictures |= {f"test/{'ab'[n % 2]}/{n}.png": scene(n) for n in range(100, 140)}
    pictures["test/a/leak.jpg"] = scene(4).resize((64, 48))
    pictures["train/b/conflict.png"] = scene(2)
    pictures["train/a/small copy.png"] = scene(6).resize((64, 48))
    pictures["train/b/large copy.png"] = scene(7).resize((400, 300))
    images = scenes(pictures)
    root = Path(images.sources[0]).parents[2]
    (root / "train" / "a" / "broken.jpg").write_bytes(b"<html>")
    images = load_folder(root)
    rows = {one.key: one for one in suggest_corrections(inspect_images(images))}
    assert {one.action for one in rows.values()} == {"exclude"}
    assert set(rows) == {
        "train/a/broken.jpg",
        "train/a/4.png",  # the test split keeps its own
        "train/a/2.png",
        "train/b/conflict.png",
        "train/a/small copy.png",
        "train/b/7.png",  # the larger copy stays
    }
    assert rows["train/a/4.png"].reason == "leak: shows the same as test/a/leak.jpg"
    assert rows["train/a/2.png"].reason == "conflict: lies under a and b"
    assert rows["train/b/7.png"].reason == "duplicate: shows the same as train/b/large copy.png"
    assert rows["train/a/broken.jpg"].original_label == "a"
    left = apply_corrections(images, rows.values())
    assert {one.kind for one in inspect_images(left).findings} & {"broken", "leak", "conflict", "duplicate"} == set()
