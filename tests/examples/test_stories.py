"""The stories of examples/, each on a cut of the real data."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def story(name: str) -> ModuleType:
    """Loads one script as a module."""
    spec = importlib.util.spec_from_file_location(f"story_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_drawn(path: Path) -> bool:
    """Whether a PNG holds more than one color."""
    with Image.open(path) as image:
        return bool(np.asarray(image.convert("L")).std() > 5)


def test_digits_prints_a_line_per_epoch_and_the_final_accuracy(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story("digits").main(test_data, tmp_path, epochs=2, every=20)
    shown = capsys.readouterr().out
    assert [line[:11] for line in shown.splitlines() if line.startswith("Epoch")] == ["Epoch 1/2  ", "Epoch 2/2  "]
    assert f"Accuracy: {run.report.accuracy:.2%}" in shown
    assert run.report.n == 500
    assert run.report.accuracy > 0.6


@pytest.mark.slow
def test_clothes_explores_trains_and_draws_its_curves(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story("clothes").main(test_data, tmp_path, epochs=2, every=50)
    shown = capsys.readouterr().out
    assert "Ankle boot" in shown and "(28, 28, 1)" in shown and "Conv2D" in shown
    assert is_drawn(tmp_path / "clothes.png")
    assert is_drawn(run.path / "plots" / "curves.png")
    assert run.report.accuracy > 0.5


@pytest.mark.slow
def test_overfitting_compares_without_and_with_dropout(test_data: Path, tmp_path: Path) -> None:
    found = story("overfitting").main(test_data, tmp_path, epochs=2, every=200)
    assert [one.name for one in found.runs] == ["without-dropout", "with-dropout"]
    assert found.differing_settings["dropout"] == (0.0, 0.5)
    assert found.pairs[0].paired_difference is not None
    assert is_drawn(tmp_path / "overfitting.png")


@pytest.mark.slow
def test_four_models_show_accuracy_and_loss_side_by_side(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = story("four_networks").main(test_data, tmp_path, epochs=1, every=300)
    shown = capsys.readouterr().out
    assert found.state == "finished"
    assert [row.architecture for row in found.rows] == ["mlp", "cnn", "vgg-small", "resnet20"]
    for row in found.rows:
        assert f"{row.accuracy:.2%}" in shown and f"{row.loss:.4f}" in shown
    assert is_drawn(tmp_path / "four-networks.png")
    assert is_drawn(found.path / "ladder.png")


@pytest.mark.slow
def test_right_and_wrong_reports_and_draws_both_galleries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = story("right_and_wrong")
    run, test = module.digits(tmp_path)
    measured = module.main(run, test, out=tmp_path)
    shown = capsys.readouterr().out
    assert "precision" in shown and "answered:" in shown
    assert measured.report.accuracy == run.report.accuracy
    assert is_drawn(tmp_path / "right.png") and is_drawn(tmp_path / "wrong.png")


@pytest.mark.slow
def test_cats_and_dogs_ends_with_one_new_image(test_data: Path, tmp_path: Path) -> None:
    image = sorted((test_data / "cats_dogs" / "test_set" / "cats").iterdir())[0]
    prediction = story("cats_and_dogs").main(test_data / "cats_dogs", image, tmp_path, epochs=1, every=20)
    assert prediction.label in ("cats", "dogs")
    assert prediction.probabilities.keys() == {"cats", "dogs"}


def test_the_messy_folder_is_looked_at_repaired_and_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = story("messy_folder")
    run = module.main(module.messy(tmp_path / "messy"), tmp_path / "out", epochs=1)
    shown = capsys.readouterr().out
    for word in ("more than one split", "under two labels (3 and 8)", "cannot be read", "more than once"):
        assert word in shown
    assert "without the leaked ones" in shown and "Repaired:" in shown
    assert run.report.without_leaks is None
    assert {finding.kind for finding in run.manifest.findings} & {"leak", "conflict", "duplicate", "broken"} == set()
    assert (tmp_path / "out" / "data.html").stat().st_size > 50_000
