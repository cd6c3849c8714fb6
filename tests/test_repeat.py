"""Several trainings of one kind: seeds share their pictures, folds share none, and no finished work is lost."""

from __future__ import annotations

import csv
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from striate.errors import ConfigError, DataError, RunError
from striate.evaluation.comparison.compare import compare
from striate.evaluation.intervals import wilson
from striate.experiment import measure_again
from striate.experiment.comparing import compare_runs, save_comparison_page
from striate.experiment.folds import assign_folds
from striate.experiment.own_pictures import own_pictures
from striate.experiment.repeat import repeat
from striate.experiment.repeated import expanded
from striate.images.sources.load import load_images
from striate.progress import Progress
from striate.runs import RunStore

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

SETTINGS = {"architecture": "mlp", "epochs": 1, "precision": "float32"}


class _Lines(Progress):
    """Keeps what was said, and does something when a line begins with a word."""

    def __init__(self, word=None, act=None):
        self.lines, self.word, self.act = [], word, act

    def say(self, line):
        self.lines.append(line)
        if self.word is not None and line.startswith(self.word):
            self.word = None
            self.act()


def _written(runs):
    return {path.parent.name: path.stat().st_mtime_ns for path in runs.glob("*/run.json")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def seeds(runs):
    return repeat("digits", seeds=2, name="dense", runs=runs, command="striate repeat digits", **SETTINGS)


@pytest.fixture(scope="module")
def folds(runs):
    return repeat("digits", folds=3, runs=runs, **SETTINGS)


def test_seeds_share_one_division_and_are_ordinary_runs(seeds, runs):
    assert seeds.state == "finished" and seeds.path == runs / "dense"
    assert list(seeds.runs) == ["dense-seed-0", "dense-seed-1"]
    assert len({(run.path / "split.csv").read_text() for run in seeds.runs.values()}) == 1
    assert [run.recipe.seed for run in seeds.runs.values()] == [0, 1]
    one, two = seeds.runs.values()
    assert one.report.confusion != two.report.confusion
    assert measure_again(two).report.confusion == two.report.confusion
    assert seeds.spread.mean == pytest.approx((one.report.accuracy + two.report.accuracy) / 2)
    assert {run.name for run in RunStore(runs).list()} >= set(seeds.runs)


def test_folds_hold_out_every_picture_once(folds):
    assert folds.path.name == "digits-mlp-cv"
    assert list(folds.runs) == [f"digits-mlp-cv-fold-{number}" for number in (1, 2, 3)]
    held_out = []
    for run in folds.runs.values():
        with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 1797 and len({row["key"] for row in rows}) == 1797
        held_out += [row["key"] for row in rows if row["split"] == "test"]
        assert 0.05 < sum(row["split"] == "validation" for row in rows) / 1797 < 0.2
    assert len(held_out) == len(set(held_out)) == 1797
    right = sum(run.report.correct for run in folds.runs.values())
    assert folds.spread.pictures.accuracy == pytest.approx(right / 1797)
    assert folds.spread.pictures.interval == pytest.approx(tuple(wilson(right, 1797)))
    assert "Bengio and Grandvalet" in folds.note
    run = folds.runs["digits-mlp-cv-fold-2"]
    assert measure_again(run).report.confusion == run.report.confusion


def test_csv_json_and_figure_hold_the_same(seeds):
    with (seeds.path / "repeat.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [trial.accuracy for trial in seeds.trials]
    summary = json.loads(json.dumps(seeds.summary(), allow_nan=False))
    assert summary["state"] == "finished" and summary["spread"]["trials"] == 2
    assert json.loads((seeds.path / "repeat.json").read_text())["trials"] == summary["trials"]
    with Image.open(seeds.path / "repeat.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_same_again_trains_nothing_and_seeds_may_be_added(seeds, runs):
    before = _written(runs)
    said = _Lines()
    again = repeat("digits", seeds=2, name="dense", runs=runs, progress=said, **SETTINGS)
    assert again.document == seeds.document and _written(runs) == before
    assert said.lines == ["All 2 runs are there already."]
    more = repeat("digits", seeds=3, name="dense", runs=runs, **SETTINGS)
    assert [trial.seed for trial in more.trials] == [0, 1, 2]
    assert {name: _written(runs)[name] for name in seeds.runs} == {name: before[name] for name in seeds.runs}


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"epochs": 2}, "epochs 2"), ({"seed": 5}, "seed 5"), ({"folds": 2, "seeds": None}, "kind folds")],
)
def test_another_plan_under_the_same_name_is_refused(seeds, runs, changes, told):
    before = _written(runs)
    with pytest.raises(RunError, match=rf"another plan\. Received: {told}"):
        repeat("digits", **{"seeds": 2, "name": "dense", "runs": runs, **SETTINGS, **changes})
    assert _written(runs) == before


def test_a_run_of_ones_own_is_never_overwritten(tmp_path):
    (tmp_path / "mine-seed-1").mkdir()
    with pytest.raises(RunError, match="there already"):
        repeat("digits", seeds=2, name="mine", runs=tmp_path, **SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine-seed-1"]


@pytest.mark.parametrize("asked", [{}, {"seeds": 2, "folds": 2}, {"seeds": 1}, {"folds": 1}, {"folds": 0}])
def test_what_cannot_be_repeated_is_told(asked, tmp_path):
    with pytest.raises(ConfigError):
        repeat("digits", runs=tmp_path, **asked)


def test_a_signal_leaves_finished_runs_and_the_same_command_goes_on(tmp_path):
    said = _Lines("Epoch 1", lambda: os.kill(os.getpid(), signal.SIGINT))
    first = repeat("digits", seeds=2, name="cut", runs=tmp_path, progress=said, **{**SETTINGS, "epochs": 3})
    assert first.state == "interrupted" and first.trials == () and first.spread is None
    assert any("ends with this run" in line for line in said.lines)
    done = repeat("digits", seeds=2, name="cut", runs=tmp_path, **{**SETTINGS, "epochs": 3})
    assert done.state == "finished" and [trial.epochs for trial in done.trials] == [3, 3]


def test_copies_stay_in_one_fold_and_every_class_in_each(photos):
    images = load_images(photos)
    groups = np.arange(len(images))
    groups[[0, 31, 62]] = 0  # of three classes
    groups[[5, 6, 7]] = 5
    fold = assign_folds(images, groups, 5, seed=0)
    assert len(set(fold[[0, 31, 62]])) == len(set(fold[[5, 6, 7]])) == 1
    counts = [np.bincount(images.labels[fold == number], minlength=3) for number in range(1, 6)]
    assert np.min(counts) >= 3
    alone = assign_folds(images, np.arange(len(images)), 5, seed=0)
    assert {tuple(np.bincount(images.labels[alone == number])) for number in range(1, 6)} == {(6, 6, 6)}
    assert (alone == assign_folds(images, np.arange(len(images)), 5, seed=0)).all()
    assert (alone != assign_folds(images, np.arange(len(images)), 5, seed=1)).any()
    with pytest.raises(DataError, match="too few pictures for 40 folds"):
        assign_folds(images, groups, 40, seed=0)


def test_a_test_split_of_the_data_takes_no_part_in_folds(tmp_path):
    digits = load_images("digits")
    pixels, labels = np.asarray(digits.sources), np.asarray(digits.labels)
    data = ((pixels[:600], labels[:600]), (pixels[600:800], labels[600:800]))
    said = _Lines()
    found = repeat(data, folds=2, name="own", runs=tmp_path, progress=said, **SETTINGS)
    assert found.spread.pictures.n == 600
    assert any("200 test pictures take no part" in line for line in said.lines)


def test_groups_of_seeds_are_compared_and_their_pictures_found_again(seeds, runs, folds, tmp_path):
    other = repeat("digits", seeds=2, name="wide", runs=runs, dropout=0.5, **SETTINGS)
    chosen = [*expanded(RunStore(runs), "dense"), *expanded(RunStore(runs), "wide")]
    found = compare_runs(chosen, is_timed=True)
    assert [group.name for group in found.groups] == ["dense", "wide"]
    assert all(one.milliseconds > 0 and one.multiply_adds > 0 for one in found.contenders)
    assert found.contenders[0].multiply_adds == 64 * 512 + 512 * 256 + 256 * 10
    assert save_comparison_page(tmp_path / "c.html", found, chosen) == ""
    assert (tmp_path / "c.html").read_text(encoding="utf-8").count("data:image/png") > 3
    key = next(iter(found.contenders[0].answers))
    images = load_images("digits")
    (place,) = np.flatnonzero(images.keys == key)
    assert (own_pictures(chosen[0], [key])[key] == images.read(int(place))).all()
    assert other.state == "finished"
    with pytest.raises(RunError, match="different test pictures"):
        compare([*seeds.runs.values(), *folds.runs.values()])
    with pytest.raises(RunError, match="no such run"):
        expanded(RunStore(runs), "nothing")


def test_failed_and_unfinished_runs_are_refused(seeds, tmp_path):
    one, two = seeds.runs.values()
    broken = RunStore(tmp_path).create("broken", "x")
    (broken.path / "recipe.json").write_bytes((two.path / "recipe.json").read_bytes())
    with pytest.raises(RunError, match="broken is unfinished"):
        compare([one, broken])
    manifest = json.loads((two.path / "run.json").read_text()) | {"state": "failed", "reason": "The loss was NaN"}
    (broken.path / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=r"broken failed.*The loss was NaN"):
        compare([one, broken])
