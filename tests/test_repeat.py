"""Several seeds and folds: every training an ordinary run, nothing trained twice, and figures that add up."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from scipy.stats import t

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, DataError, RunError
from striate.evaluation.intervals import wilson
from striate.evaluation.seed_variance import summarize_scores
from striate.progress import Progress
from striate.studies.repeat import cross_validate, repeat
from striate.system.signals import listen_for_signals
from striate.workflows.evaluate import measure_again

QUICK = {"architecture": "mlp", "epochs": 2, "precision": "float32"}


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


def _written(found):
    return {run.name: (run.path / "run.json").stat().st_mtime_ns for run in found.runs}


def _split(run):
    with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: row["split"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def few():
    """300 digits, every fifth there twice."""
    digits = load_images("digits")
    pixels, labels = np.asarray(digits.sources)[:250], digits.labels[:250]
    return from_arrays(np.concatenate([pixels, pixels[::5]]), np.concatenate([labels, labels[::5]]), name="few digits")


@pytest.fixture(scope="module")
def seeds(few, tmp_path_factory):
    return repeat(few, seeds=2, runs=tmp_path_factory.mktemp("runs"), **QUICK)


@pytest.fixture(scope="module")
def folds(few, tmp_path_factory, instantly):
    with instantly():
        return cross_validate(few, folds=3, runs=tmp_path_factory.mktemp("runs"), **QUICK)


def test_seeds_share_one_division_and_differ_in_what_chance_does(seeds):
    one, two = seeds.runs
    assert (one.name, two.name) == ("seed-0", "seed-1")
    assert _split(one) == _split(two)
    assert (one.recipe.seed, two.recipe.seed) == (0, 1)
    assert [row.loss for row in one.epochs] != [row.loss for row in two.epochs]


def test_what_they_have_in_common_is_what_their_reports_say(seeds):
    found = seeds.manifest
    reports = [run.report for run in seeds.runs]
    accuracies = [report.accuracy for report in reports]
    assert [one.accuracy for one in found.rows] == accuracies
    assert found.accuracy == summarize_scores(accuracies)
    assert found.pooled_accuracy is None
    assert found.recalls[3].mean == pytest.approx(np.mean([report.classes[3].recall for report in reports]))
    assert found.seconds == pytest.approx(sum(run.manifest.phase_seconds["total"] for run in seeds.runs))


def test_the_folder_holds_table_figure_and_manifest(seeds):
    with (seeds.path / "repeated.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["seed-0", "seed-1"]
    assert [float(row["accuracy"]) for row in rows] == [one.accuracy for one in seeds.manifest.rows]
    with Image.open(seeds.path / "repeated.png") as image:
        assert image.size[0] > 900
    assert json.loads((seeds.path / "repeated.json").read_text())["state"] == "finished"


@pytest.mark.usefixtures("instant_training")
def test_the_same_command_trains_nothing_again_and_another_seed_only_itself(few, seeds):
    before, said = _written(seeds), _Lines()
    again = repeat(few, seeds=2, runs=seeds.path.parent, progress=said, **QUICK)
    assert _written(again) == before and again.manifest == seeds.manifest
    assert "All 2 runs are there already." in said.lines
    more = repeat(few, seeds=3, runs=seeds.path.parent, **QUICK)
    assert {name: when for name, when in _written(more).items() if name in before} == before
    assert [run.name for run in more.runs] == ["seed-0", "seed-1", "seed-2"]


def test_another_plan_under_the_same_name_is_refused(few, seeds):
    with pytest.raises(RunError, match=r"was begun with another plan\. Received: epochs 3\. Expected: epochs 2"):
        repeat(few, seeds=2, runs=seeds.path.parent, **{**QUICK, "epochs": 3})


def test_every_image_is_measured_in_one_fold_and_copies_lie_together(few, folds):
    splits = [_split(run) for run in folds.runs]
    tested = [key for split in splits for key, part in split.items() if part == "test"]
    assert sorted(tested) == sorted(few.keys.tolist())
    pixels = np.asarray(few.sources)
    number = {key: index for index, key in enumerate(few.keys.tolist())}
    for split in splits:
        shown = {part: set() for part in ("train", "validation", "test")}
        for key, part in split.items():
            shown[part].add(pixels[number[key]].tobytes())
        assert not shown["train"] & shown["test"] and not shown["validation"] & (shown["train"] | shown["test"])
        assert len(shown["validation"]) > 10


def test_the_folds_are_pooled_with_an_interval(folds, few):
    found = folds.manifest
    right = sum(run.report.correct_count for run in folds.runs)
    assert (found.pooled_accuracy.n, found.pooled_accuracy.accuracy) == (len(few), right / len(few))
    assert found.pooled_accuracy.interval == tuple(wilson(right, len(few)))
    assert found.accuracy == summarize_scores([run.report.accuracy for run in folds.runs], is_cross_validation=True)


def test_a_fold_is_an_ordinary_run_that_can_be_measured_again(folds, few):
    run = folds.runs[1]
    measured = measure_again(run, few)
    assert measured.report.accuracy == run.report.accuracy
    assert set(measured.decoded_set.images.keys.tolist()) == {
        key for key, part in _split(run).items() if part == "test"
    }


@pytest.mark.usefixtures("instant_training")
def test_a_given_test_split_stays_unseen(few, tmp_path):
    from dataclasses import replace

    given = np.where(np.arange(len(few)) % 3 == 0, "test", "train")
    found = cross_validate(replace(few, splits=given), folds=2, runs=tmp_path, **QUICK)
    seen = {key for run in found.runs for key in _split(run)}
    assert seen == set(few.keys[given == "train"].tolist())


@pytest.mark.usefixtures("instant_training")
def test_a_signal_leaves_what_is_finished_and_the_same_command_goes_on(few, tmp_path):
    import os
    import signal

    class _Stops(_Lines):
        def log(self, line):
            super().log(line)
            if line.startswith("2/3"):
                os.kill(os.getpid(), signal.SIGINT)

    with listen_for_signals(lambda: None):
        first = repeat(few, seeds=3, runs=tmp_path, progress=_Stops(), **QUICK)
    assert first.manifest.state == "interrupted"
    before = _written(first)
    then = repeat(few, seeds=3, runs=tmp_path, **QUICK)
    assert then.manifest.state == "finished" and len(then.runs) == 3
    assert _written(then)["seed-0"] == before["seed-0"]


def test_counts_that_make_no_sense_are_told(few, tmp_path):
    with pytest.raises(ConfigError, match="number of seeds"):
        repeat(few, seeds=1, runs=tmp_path, **QUICK)
    with pytest.raises(ConfigError, match="number of folds"):
        cross_validate(few, folds=1, runs=tmp_path, **QUICK)
    rare = few.subset(np.flatnonzero((few.labels != 3) | (np.cumsum(few.labels == 3) <= 4)))
    with pytest.raises(DataError, match=r"The class '3' has too few different images.*--folds"):
        cross_validate(rare, folds=5, runs=tmp_path, **QUICK)
    assert not list(tmp_path.iterdir())


def test_the_interval_of_a_mean_is_students_and_wider_for_folds():
    values = [0.90, 0.92, 0.91, 0.95]
    found = summarize_scores(values)
    low, high = t.interval(0.95, 3, np.mean(values), np.std(values, ddof=1) / 2)
    assert found.interval == pytest.approx((low, high))
    wide = summarize_scores(values, is_cross_validation=True)
    assert (wide.mean, wide.std) == (found.mean, found.std)
    ratio = (wide.interval[1] - wide.mean) / (found.interval[1] - found.mean)
    assert ratio == pytest.approx(np.sqrt((1 / 4 + 1 / 3) / (1 / 4)))
    assert summarize_scores([0.5]).interval is None
