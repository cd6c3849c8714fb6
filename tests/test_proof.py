"""The stories at full size, as users type them: minutes each, run by `make proof`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def striate(*words: object, folder: Path, **environment: str) -> Any:
    """Runs one command and returns its JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "striate", *map(str, words), "--json"],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_digits_tutorial_reaches_its_accuracy(test_data: Path, tmp_path: Path) -> None:
    words = ["train", "mnist", "--arch", "cnn-small", "--recipe", "classic", "--epochs", "10", "--batch", "200"]
    said = striate(*words, "--data-dir", test_data, folder=tmp_path)
    assert said["epochs"] == 10
    assert said["test"]["n"] == 10_000
    assert said["test"]["accuracy"] >= 0.988


def test_dropout_closes_the_gap_on_clothes(test_data: Path, tmp_path: Path) -> None:
    words = ["train", "fashion_mnist", "--arch", "cnn", "--recipe", "classic", "--batch", 128, "--data-dir", test_data]
    striate(*words, "--name", "without", folder=tmp_path)
    striate(*words, "--name", "with", "--dropout", folder=tmp_path)
    said = striate("compare", "without", "with", folder=tmp_path)
    without, dropout = said["runs"]
    assert without["gap"] > 0.04
    assert dropout["gap"] < without["gap"] / 2
    (pair,) = said["pairs"]
    assert pair["verdict"] != "without is better"
    assert pair["only_a"] + pair["only_b"] > 200 and 0 < pair["p_value"] <= 1
    assert pair["smallest_detectable"] < 0.01
    assert "another seed" in said["notes"][0]


def test_cats_and_dogs_beats_three_quarters_and_a_cat_is_a_cat(test_data: Path, tmp_path: Path) -> None:
    words = [
        "--arch",
        "cnn",
        "--size",
        "64",
        "--recipe",
        "classic",
        "--epochs",
        "10",
        "--name",
        "pets",
        "--allow-leaks",
    ]
    said = striate("train", test_data / "cats_dogs", *words, folder=tmp_path)
    assert said["test"]["n"] == 2000
    assert said["test"]["without_leaks"]["n"] == 1998
    assert said["test"]["accuracy"] > 0.75
    cats = sorted((test_data / "cats_dogs" / "test_set" / "cats").iterdir())[:200]
    predictions = striate("predict", "pets", *cats, folder=tmp_path)
    assert sum(prediction["label"] == "cats" for prediction in predictions) > 120
    assert all(prediction["probabilities"].keys() == {"cats", "dogs"} for prediction in predictions)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_built_in_digits_reach_97_percent_on_every_backend(backend: str, tmp_path: Path) -> None:
    said = striate("train", "digits", folder=tmp_path, KERAS_BACKEND=backend)
    assert said["test"]["accuracy"] >= 0.97
