"""The learning curve: nested parts, one test set, a law that fits, and nothing trained twice."""

from __future__ import annotations

import csv
import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, DataError, RunError
from striate.evaluation.power_law import fit_power_law
from striate.progress import Progress
from striate.studies.learning_curve import (
    MIN_MEAN_CLASS_SIZE,
    LearningCurve,
    LearningCurveManifest,
    LearningCurvePlan,
    LearningCurveRow,
    learning_curve,
)
from striate.training.recipe import Recipe

QUICK = {"architecture": "mlp", "epochs": 2, "precision": "float32"}
SIZES = (100, 200, 400, 800)


def _split(run):
    with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: (row["split"], row["class"]) for row in csv.DictReader(file)}


def _runs(found, size):
    from striate.runs.run import Run

    return [Run(found.path / name) for one in found.manifest.rows if one.size == size for name in one.runs]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return learning_curve("digits", sizes=SIZES, runs=tmp_path_factory.mktemp("runs"), **QUICK)


def test_parts_are_nested_stratified_and_measured_on_the_same_images(found):
    splits = [_split(_runs(found, size)[0]) for size in SIZES]
    trained = [{key for key, (part, _) in split.items() if part == "train"} for split in splits]
    assert [len(keys) for keys in trained] == list(SIZES)
    assert all(small < large for small, large in itertools.pairwise(trained))
    for part in ("validation", "test"):
        assert len({frozenset(key for key, (own, _) in split.items() if own == part) for split in splits}) == 1
    for split, size in zip(splits, SIZES, strict=True):
        counts = np.unique([name for part, name in split.values() if part == "train"], return_counts=True)[1]
        assert len(counts) == 10 and abs(counts - size / 10).max() <= 3


def test_smaller_parts_get_more_epochs(found):
    epochs = [_runs(found, size)[0].recipe.epochs for size in SIZES]
    whole = len(load_images("digits")) * 0.7
    assert epochs == [round(2 * np.sqrt(round(whole) / size)) for size in SIZES]


def test_the_curve_is_what_the_runs_say(found):
    manifest = found.manifest
    for one in manifest.rows:
        (run,) = _runs(found, one.size)
        assert one.accuracies == (run.report.accuracy,)
        assert one.recalls == pytest.approx([row.recall for row in run.report.classes])
    errors = [1 - one.accuracy for one in manifest.rows]
    assert manifest.power_law == fit_power_law(SIZES, errors, manifest.n)
    assert errors[0] > errors[-1]
    assert [one.size for one in manifest.power_law.forecasts] == [800, 1600, 3200]


def test_the_folder_holds_table_figure_and_manifest(found):
    with (found.path / "learning_curve.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["size"]), float(row["accuracy"])) for row in rows] == [
        (one.size, one.accuracy) for one in found.manifest.rows
    ]
    with Image.open(found.path / "learning_curve.png") as image:
        assert image.size[0] > 1000
    assert json.loads((found.path / "learning_curve.json").read_text())["state"] == "finished"
    assert found.to_dict()["verdict"] == found.format_verdict()


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


def test_the_same_command_trains_nothing_again(found):
    before = {path: path.stat().st_mtime_ns for path in found.path.glob("*/run.json")}
    said = _Lines()
    again = learning_curve("digits", sizes=SIZES, runs=found.path.parent, progress=said, **QUICK)
    assert "All 4 runs are there already." in said.lines
    assert again.manifest == found.manifest
    assert {path: path.stat().st_mtime_ns for path in found.path.glob("*/run.json")} == before
    with pytest.raises(RunError, match="begun with another plan"):
        learning_curve("digits", sizes=SIZES, runs=found.path.parent, **{**QUICK, "epochs": 3})


def test_what_makes_no_curve_is_told_before_anything_is_written(tmp_path):
    for sizes in ((100, 200, 400), (100, 100, 200, 400), (1, 10, 100, 200), (100, 200, 400, 10**6)):
        with pytest.raises(ConfigError, match="These sizes make no learning curve"):
            learning_curve("digits", sizes=sizes, runs=tmp_path, **QUICK)
    with pytest.raises(ConfigError, match="planned in epochs"):
        learning_curve("digits", runs=tmp_path, architecture="mlp", minutes=1)
    with pytest.raises(ConfigError, match="number of seeds"):
        learning_curve("digits", runs=tmp_path, seeds=0, **QUICK)
    digits = load_images("digits")
    with pytest.raises(DataError, match=rf"too few training images.*Expected: {MIN_MEAN_CLASS_SIZE * 10 * 8}"):
        learning_curve(digits.subset(np.arange(300)), runs=tmp_path, **QUICK)
    assert not list(tmp_path.iterdir())


def test_the_old_name_of_the_command_works_and_names_the_new_one(capsys):
    assert main(["learn-curve", "--help"]) == 0
    shown = capsys.readouterr()
    assert "Usage: striate learning-curve" in shown.out
    assert shown.err == "striate learn-curve is now called striate learning-curve.\n"


def test_a_folder_of_an_earlier_version_is_resumed(found, tmp_path):
    folder = tmp_path / found.path.name
    shutil.copytree(found.path, folder)
    (folder / "learning_curve.json").rename(folder / "learn_curve.json")
    said = _Lines()
    again = learning_curve("digits", sizes=SIZES, runs=tmp_path, name=folder.name, progress=said, **QUICK)
    assert "All 4 runs are there already." in said.lines
    assert again.manifest == found.manifest


def _curve(errors, tmp_path):
    sizes = [1000 * 2**step for step in range(len(errors))]
    rows = tuple(
        LearningCurveRow(size, (f"{size}",), 1 - error, (0.0, 1.0), (1 - error,), (1 - error, 1 - error / 2))
        for size, error in zip(sizes, errors, strict=True)
    )
    plan = LearningCurvePlan(tuple(sizes), 1, {"name": "made up"}, Recipe(), "tensorflow")
    law = fit_power_law(sizes, errors, 10_000)
    return LearningCurve(
        tmp_path, LearningCurveManifest("finished", plan, classes=("a", "b"), n=10_000, rows=rows, power_law=law)
    )


def test_it_is_said_what_twice_as_many_would_buy(tmp_path):
    falling = _curve([0.2 * 2 ** (-step / 2) for step in range(5)], tmp_path)
    assert falling.format_verdict().startswith("Twice the training images (32,000) are expected to give 96.5 % (")
    assert falling.format_verdict().endswith("instead of 95.0 %.")
    assert falling.compute_recall_gains()[0][0] == "a"
    flat = _curve([0.1, 0.1, 0.1, 0.1, 0.1], tmp_path)
    assert flat.format_verdict().endswith("more images will hardly help.")
