"""The search: what it may choose from, what it proposes, whom it ends early, and that it goes on where it stopped."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, RunError, UnknownNameError
from striate.progress import Progress
from striate.studies.search.optuna_source import rungs
from striate.studies.search.space import Dimension, space_of
from striate.studies.search.tune import tune
from striate.training.presets import RECIPES
from striate.training.recipe import Recipe

QUICK = {"architecture": "mlp", "epochs": 3, "precision": "float32", "augment": "none"}
RATES = {"search": ["lr=1e-5..1e-1:log"], "trials": 6}


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


class _Killed(BaseException):
    """What no training catches."""


class _KilledAt(_Lines):
    """Ends the process' work, as a kill would, when a line begins with some words."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def log(self, line):
        super().log(line)
        if line.startswith(self.words):
            raise _Killed


@pytest.fixture(scope="module")
def few():
    digits = load_images("digits")
    return from_arrays(np.asarray(digits.sources)[:400], digits.labels[:400], name="few digits")


@pytest.fixture(scope="module")
def found(few, tmp_path_factory, instantly):
    with instantly():
        return tune(few, runs=tmp_path_factory.mktemp("runs"), **RATES, **QUICK)


def _written(found):
    return {run.name: (run.path / "run.json").stat().st_mtime_ns for run in found.runs}


def _plainly(found):
    """Returns what a search came to, times left out."""
    return [(row.number, row.state, row.values, row.runs, row.accuracy, row.epochs) for row in found.document.rows]


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("batch=32,64", Dimension("batch", choices=(32, 64))),
        ("lr=1e-4..1e-2:log", Dimension("learning_rate", low=1e-4, high=1e-2, log=True)),
        ("dropout=0..1e-1", Dimension("dropout", low=0.0, high=0.1)),
        ("patience=2..5", Dimension("patience", low=2, high=5)),
        ("arch=mlp,lenet", Dimension("architecture", choices=("mlp", "lenet"))),
        ("augment=none|flip,shift=0.1", Dimension("augment", choices=("none", "flip,shift=0.1"))),
    ],
)
def test_a_setting_is_read_as_it_is_meant_and_written_as_it_is_read(text, dimension):
    (read,) = space_of([text], Recipe()).dimensions
    assert read == dimension
    assert space_of([read.words], Recipe()).dimensions == (dimension,)
    if isinstance(dimension.low, float):
        assert isinstance(read.low, float) and isinstance(read.high, float)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("lr", ConfigError, "Not a setting to search"),
        ("lr=1e-2..1e-4", ConfigError, "no such range"),
        ("lr=0..1:log", ConfigError, "above 0"),
        ("lr=fast..slow", ConfigError, "no range of that kind"),
        ("batch=32", ConfigError, "nothing to choose from"),
        ("batch=32..40.5", ConfigError, "whole numbers"),
        ("dropout=0..2", ConfigError, "dropout cannot be used"),
        ("optimizer=adam,lion", ConfigError, "optimizer cannot be used"),
        ("height=28,32", UnknownNameError, "setting to search"),
        ("arch=mlp,lenett", UnknownNameError, "Try: lenet"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_its_reason(text, error, words):
    with pytest.raises(error, match=words):
        space_of([text], Recipe())


def test_the_usual_space_suits_the_recipe():
    names = {dimension.name for dimension in space_of(None, RECIPES["default"]).dimensions}
    assert names == {"learning_rate", "dropout", "augment", "weight_decay"}
    assert "weight_decay" not in {dimension.name for dimension in space_of(None, Recipe()).dimensions}


def test_rungs_lie_below_the_last_epoch():
    assert rungs(9) == (1, 3)
    assert rungs(10) == (1, 3, 9)
    assert rungs(1) == ()
    assert rungs(9, 2) == (1, 2, 4, 8)


def test_every_configuration_is_an_ordinary_run_and_the_slow_ones_end_early(found):
    rows = found.document.rows
    assert [row.number for row in rows] == list(range(6))
    assert {row.state for row in rows} == {"finished", "ended early"}
    for row in rows:
        (run,) = (run for run in found.runs if run.name in row.runs)
        assert run.state == "finished" and run.recipe.learning_rate == row.values["learning_rate"]
        assert row.epochs == len(run.epochs) and row.accuracy.mean == run.validation_report.accuracy
        assert (row.epochs in rungs(3)) == (row.state == "ended early")


def test_the_best_is_chosen_by_the_validation_images_alone(found):
    best = found.document.best
    whole = [row for row in found.document.rows if row.state == "finished"]
    assert found.document.rows[best.number].accuracy.mean == max(row.accuracy.mean for row in whole)
    assert best.test.accuracy == found.best.report.accuracy and best.test.n == found.best.report.n
    low = best.validation.interval[0]
    assert best.rivals == sum(row.accuracy.mean >= low for row in whole) - 1


def test_the_folder_holds_table_figure_and_manifest(found):
    with (found.path / "tune.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == [row.values["learning_rate"] for row in found.document.rows]
    with Image.open(found.path / "tune.png") as image:
        assert image.size[0] > 900
    assert json.loads((found.path / "tune.json").read_text())["state"] == "finished"


def test_the_same_command_trains_nothing_again_and_more_trials_only_themselves(few, found):
    before, said = _written(found), _Lines()
    again = tune(few, runs=found.path.parent, progress=said, **RATES, **QUICK)
    assert _written(again) == before and again.document == found.document
    assert said.lines[-1] == "All 6 configurations are there already."
    more = tune(few, runs=found.path.parent, **{**RATES, "trials": 7}, **QUICK)
    assert {name: when for name, when in _written(more).items() if name in before} == before
    assert len(more.document.rows) == 7


def test_another_space_under_the_same_name_is_refused(few, found):
    with pytest.raises(RunError, match="--search learning_rate"):
        tune(few, runs=found.path.parent, search=["lr=1e-4..1e-1:log"], trials=8, **QUICK)


@pytest.mark.parametrize("words", ["trial-001:", pytest.param("3/3  trial-002", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("instant_training")
def test_a_search_that_was_killed_goes_on_to_what_it_would_have_come_to(few, found, tmp_path, words):
    settings = {**RATES, "trials": 3, **QUICK}
    with pytest.raises(_Killed):
        tune(few, runs=tmp_path, progress=_KilledAt(words), **settings)
    before = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/run.json")}
    assert before
    again = tune(few, runs=tmp_path, **settings)
    assert {name: when for name, when in _written(again).items() if name in before} == before
    assert _plainly(again) == _plainly(found)[:3]


@pytest.mark.slow
def test_a_finite_space_is_tried_once_each(few, tmp_path):
    found = tune(few, runs=tmp_path, search={"optimizer": ["adam", "sgd"]}, trials=10, eta=None, **QUICK)
    assert sorted(row.values["optimizer"] for row in found.document.rows) == ["adam", "sgd"]
    assert all(row.state == "finished" for row in found.document.rows)


@pytest.mark.slow
def test_seeds_are_spent_on_what_holds_its_ground(few, tmp_path):
    found = tune(few, runs=tmp_path, seeds=2, **{**RATES, "trials": 3}, **QUICK)
    for row in found.document.rows:
        expected = 1 if row.state == "ended early" else 2
        assert len(row.runs) == expected
        assert (row.accuracy.std is None) == (expected == 1)
    assert found.document.rows[0].runs == ("trial-000-seed-0", "trial-000-seed-1")


@pytest.mark.slow
def test_folds_measure_each_configuration_on_every_image(few, tmp_path):
    found = tune(few, runs=tmp_path, folds=2, search=["optimizer=adam,sgd"], eta=None, **QUICK)
    for row in found.document.rows:
        runs = [run for run in found.runs if run.name in row.runs]
        assert sum(run.report.n for run in runs) == len(few)


def test_what_cannot_be_trained_is_told_and_the_search_goes_on(few, tmp_path):
    settings = {**QUICK, "architecture": None}
    said = _Lines()
    found = tune(few, runs=tmp_path, search=["arch=mlp,vgg11"], eta=None, progress=said, **settings)
    states = {row.values["architecture"]: row.state for row in found.document.rows}
    assert states == {"mlp": "finished", "vgg11": "failed"}
    assert found.document.state == "finished" and found.best.manifest.architecture == "mlp"
    assert any("failed" in line and "vgg11" in line for line in said.lines)


def test_without_the_extra_the_message_says_what_to_install(few, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'striate\[tune\]'"):
        tune(few, runs=tmp_path, **RATES, **QUICK)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trials": 0}, "nothing to train"),
        ({"eta": 1}, "2 or more"),
        ({"folds": 3, "seeds": 2}, "folds cannot be used"),
        ({"minutes": 1.0, "epochs": None}, "planned in epochs"),
        ({"search": ["arch=mlp,lenet"]}, "both given and searched"),
    ],
)
def test_settings_that_make_no_search_are_refused(few, tmp_path, settings, words):
    with pytest.raises(ConfigError, match=words):
        tune(few, runs=tmp_path, **{**QUICK, **settings})
    assert not list(tmp_path.iterdir())
