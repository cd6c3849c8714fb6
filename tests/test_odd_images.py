"""A folder of unusual and broken images, through the whole flow."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from striate.data.loaders.load import load_images
from striate.errors import DataError
from striate.workflows.train import train


@pytest.fixture(scope="module")
def mixed(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every valid image of the collection in two classes, every broken one among them."""
    root = tmp_path_factory.mktemp("odd") / "mixed"
    for number, kind in enumerate(("valid", "bad")):
        for index, path in enumerate(sorted((test_data / "odd_images" / kind).rglob("*"))):
            if path.is_file():
                folder = root / ("first", "second")[(index + number) % 2] / path.parent.name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / path.name).write_bytes(path.read_bytes())
    return root


def test_what_is_odd_trains_and_what_is_broken_is_left_out_with_its_reason(mixed: Path, tmp_path: Path) -> None:
    run = train(mixed, height=32, width=32, epochs=1, precision="float32", artifacts="none", runs=tmp_path)
    with (run.path / "broken.csv").open(encoding="utf-8") as file:
        broken = {row["key"]: row["reason"] for row in csv.DictReader(file)}
    with (run.path / "split.csv").open(encoding="utf-8") as file:
        used = {row["key"] for row in csv.DictReader(file)}
    assert len(broken) > 20 and all(broken.values())
    assert not used & set(broken)
    assert used | set(broken) == set(load_images(mixed).keys.tolist())
    assert any(key.endswith("猫 éü 🐱.jpg") for key in used)
    assert {finding.kind for finding in run.manifest.findings} >= {"broken", "ignored"}
    predictions = run.classifier.predict(mixed)
    assert {
        Path(prediction.source).relative_to(mixed).as_posix() for prediction in predictions if prediction.error
    } == set(broken)


def test_predicting_everything_prints_no_traceback(mixed: Path, tmp_path: Path) -> None:
    run = train("digits", architecture="mlp", epochs=1, precision="float32", artifacts="none", runs=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "striate", "predict", str(run.path), str(mixed), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert all((item["label"] is None) == bool(item["error"]) for item in json.loads(done.stdout))


def test_broken_images_alone_are_refused_before_a_run_is_made(test_data: Path, tmp_path: Path) -> None:
    for index, path in enumerate(sorted((test_data / "odd_images" / "bad").rglob("*.*g*"))):
        folder = tmp_path / "bad" / ("first", "second")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            (folder / f"{index}-{path.name}").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"images cannot be read, more than the limit|can be decoded"):
        train(tmp_path / "bad", height=32, width=32, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
