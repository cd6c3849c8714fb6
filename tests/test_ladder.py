"""The ladder: equal images, equal budget, one table that says what the runs say, and work that is never lost."""

from __future__ import annotations

import csv
import json
import os
import signal
import statistics
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from striate.data.loaders.load import load_images
from striate.data.splits import split_stratified
from striate.errors import ConfigError, RunError, UnknownNameError
from striate.evaluation.intervals import wilson
from striate.models.registry import ARCHITECTURES
from striate.progress import Progress
from striate.runs.store import RunStore
from striate.studies.ladder import LARGE_RUNGS, SMALL_RUNGS, ladder
from striate.studies.ladder_result import Step, earlier
from striate.system.signals import listen_for_signals, on_first_signal
from striate.workflows.evaluate import measure_again
from striate.workflows.report import write_report
from striate.workflows.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

RUNGS = ("mlp", "cnn-small")
FLOAT = {"precision": "float32"}  # whether half of it is faster is measured elsewhere


class _Lines(Progress):
    """Keeps what was said, and does something when a line begins with a word."""

    def __init__(self, word=None, act=None):
        self.lines, self.word, self.act = [], word, act

    def log(self, line):
        self.lines.append(line)
        if self.word is not None and line.startswith(self.word):
            self.word = None
            self.act()


def _trained(ladder):
    """Returns run's name → when its manifest was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in ladder.path.glob("*/run.json")}


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def found(runs):
    """Two models with two seeds each on the built-in digits."""
    return ladder("digits", rungs=RUNGS, epochs=1, seeds=2, runs=runs, command="striate ladder digits", **FLOAT)


def test_every_model_is_there_and_every_run_is_an_ordinary_one(found):
    assert found.state == "finished"
    assert found.path.name == "ladder-digits"
    assert [row.architecture for row in found.rows] == list(RUNGS)
    assert {run.name for run in RunStore(found.path).list()} == {
        f"{name}-seed{seed}" for name in RUNGS for seed in (0, 1)
    }
    run = found.runs["mlp-seed1"]
    assert run.state == "finished"
    assert run.recipe.seed == run.manifest.seed == 1
    assert run.manifest.data["source"] == "digits"
    assert run.manifest.command == "striate ladder digits"
    assert measure_again(run).report.confusion == run.report.confusion
    assert run.artifacts == (), "made on demand"
    write_report(run, "report")
    assert (run.path / "report.html").is_file()


def test_the_table_says_what_the_runs_say(found):
    for row in found.rows:
        own = [found.runs[name] for name in row.runs]
        accuracies = [run.report.accuracy for run in own]
        assert row.accuracies == tuple(accuracies)
        assert row.accuracy == pytest.approx(sum(accuracies) / 2)
        assert row.deviation == pytest.approx(statistics.stdev(accuracies))
        assert row.interval is None
        assert row.bar == pytest.approx((row.accuracy - row.deviation, row.accuracy + row.deviation))
        assert row.loss == pytest.approx(sum(run.report.loss for run in own) / 2)
        assert row.n == own[0].report.n == 359
        assert row.epochs == 1
        speed = statistics.median(run.epochs[0].images_per_second for run in own)
        assert row.seconds_per_epoch == pytest.approx(1259 / speed)
        assert row.parameters == own[0].classifier.model.count_params()
        assert row.milliseconds > 0
    mlp = found.rows[0]
    assert mlp.year == ARCHITECTURES["mlp"].year
    assert mlp.multiply_adds == 64 * 512 + 512 * 256 + 256 * 10


def test_all_seeds_and_models_share_one_division_of_the_images(found):
    texts = {(run.path / "split.csv").read_text() for run in found.runs.values()}
    assert len(texts) == 1
    (step,) = found.steps
    assert (step.a, step.b) == RUNGS
    for seed, (difference, p_value) in enumerate(zip(step.differences, step.p_values, strict=True)):
        a, b = (found.runs[f"{name}-seed{seed}"].report.accuracy for name in RUNGS)
        assert difference == pytest.approx(b - a)
        assert 0 <= p_value <= 1


def test_a_run_of_the_ladder_equals_one_trained_alone(found, tmp_path):
    splits = split_stratified(load_images("digits"), seed=0)
    recipe = found.runs["cnn-small-seed1"].recipe
    alone = train(splits, architecture="cnn-small", recipe=recipe, runs=tmp_path, artifacts="none")
    assert alone.recipe == recipe
    assert alone.report.confusion == found.runs["cnn-small-seed1"].report.confusion


def test_csv_json_and_figure_hold_the_same(found):
    rows = _rows(found.path / "ladder.csv")
    assert [row["architecture"] for row in rows] == list(RUNGS)
    assert [float(row["accuracy"]) for row in rows] == [row.accuracy for row in found.rows]
    assert {row["seeds"] for row in rows} == {"2"}
    assert float(rows[0]["low"]) < float(rows[0]["accuracy"]) < float(rows[0]["high"])
    document = json.loads((found.path / "ladder.json").read_text())
    assert document["state"] == "finished"
    assert document["plan"]["rungs"] == list(RUNGS)
    assert document["plan"]["recipe"]["epochs"] == 1
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert summary["steps"][0]["verdict"] == found.steps[0].verdict
    assert [row["accuracy"] for row in summary["rungs"]] == [row.accuracy for row in found.rows]
    with Image.open(found.path / "ladder.png") as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_the_same_call_again_trains_nothing_and_says_the_same(found, runs):
    before = _trained(found)
    said = _Lines()
    again = ladder("digits", rungs=RUNGS, epochs=1, seeds=2, runs=runs, progress=said, **FLOAT)
    assert again == found
    assert _trained(found) == before
    assert said.lines == ["All 4 runs are there already."]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [({"epochs": 2}, "epochs 2"), ({"epochs": 1, "test": 0.3}, "test 0.3"), ({"epochs": 1, "seed": 5}, "seed 5")],
)
def test_another_plan_under_the_same_name_is_refused(found, runs, changes, setting):
    before = _trained(found)
    with pytest.raises(RunError, match=rf"another plan\. Received: {setting}\. Expected: .* another --name"):
        ladder("digits", rungs=RUNGS, seeds=2, runs=runs, **changes, **FLOAT)
    assert _trained(found) == before


def test_other_images_under_the_same_name_are_refused(found, runs, photos):
    with pytest.raises(RunError, match=r"another plan\. Received: images"):
        ladder(photos, rungs=RUNGS, epochs=1, seeds=2, runs=runs, name=found.path.name, **FLOAT)


@pytest.mark.usefixtures("instant_training")
def test_rungs_may_be_added_and_only_they_are_trained(tmp_path):
    first = ladder("digits", rungs=["mlp"], epochs=1, runs=tmp_path, **FLOAT)
    assert first.rows[0].interval == pytest.approx(tuple(wilson(round(first.rows[0].accuracy * 359), 359)))
    assert first.rows[0].deviation is None
    assert first.steps == ()
    before = _trained(first)
    said = _Lines()
    more = ladder("digits", rungs=["cnn-small"], epochs=1, runs=tmp_path, progress=said, **FLOAT)
    assert [row.architecture for row in more.rows] == ["mlp", "cnn-small"]
    assert more.document.plan.rungs == ("mlp", "cnn-small")
    assert _trained(more)["mlp-seed0"] == before["mlp-seed0"]
    assert more.rows[0].accuracy == first.rows[0].accuracy
    assert [line for line in said.lines if line.startswith("1/1")] == [
        f"1/1  cnn-small-seed0, {ARCHITECTURES['cnn-small'].year}"
    ]


def _broken(shape, classes, dropout, seed):
    raise ValueError("an idea that does not work\nat all")


@pytest.mark.usefixtures("instant_training")
def test_a_model_that_cannot_be_trained_does_not_lose_the_others(tmp_path):
    broken = replace(ARCHITECTURES["mlp"], name="broken", build=_broken)
    found = ladder("digits", rungs=["mlp", broken, "cnn-small"], epochs=1, runs=tmp_path, **FLOAT)
    assert found.state == "failed"
    assert [row.state for row in found.rows] == ["finished", "failed", "finished"]
    assert "an idea that does not work" in found.rows[1].reason
    assert found.rows[1].accuracy is None
    assert [(step.a, step.b) for step in found.steps] == [("mlp", "cnn-small")]
    assert not (found.path / "broken-seed0").exists()
    assert _rows(found.path / "ladder.csv")[1]["reason"] == found.rows[1].reason

    before = _trained(found)
    mended = replace(ARCHITECTURES["mlp"], name="broken")
    again = ladder("digits", rungs=["mlp", mended, "cnn-small"], epochs=1, runs=tmp_path, **FLOAT)
    assert again.state == "finished"
    assert _trained(again).items() > before.items()


def test_a_loss_that_is_never_finite_is_told_in_the_table(tmp_path):
    found = ladder("digits", rungs=["cnn-small"], epochs=1, runs=tmp_path, learning_rate=1e30, optimizer="sgd", **FLOAT)
    assert found.state == "failed"
    assert "never had a finite loss" in found.rows[0].reason
    assert (found.path / "ladder.png").is_file()


def _no_memory(shape, classes, dropout, seed):
    raise MemoryError


def test_memory_that_runs_out_says_what_to_lower(tmp_path):
    huge = replace(ARCHITECTURES["mlp"], name="huge", build=_no_memory)
    found = ladder("digits", rungs=[huge], epochs=1, runs=tmp_path, **FLOAT)
    assert "memory does not suffice" in found.rows[0].reason and "Try: --batch" in found.rows[0].reason


@pytest.mark.usefixtures("instant_training")
def test_a_ctrl_c_in_the_second_run_keeps_the_first_and_the_next_call_goes_on(tmp_path):
    said = _Lines("2/2", lambda: os.kill(os.getpid(), signal.SIGINT))
    found = ladder("digits", rungs=RUNGS, epochs=1, runs=tmp_path, progress=said, **FLOAT)
    assert found.state == "interrupted"
    assert [row.state for row in found.rows] == ["finished", "missing"]
    before = _trained(found)
    assert "cnn-small-seed0" not in before
    again = ladder("digits", rungs=RUNGS, epochs=1, runs=tmp_path, **FLOAT)
    assert again.state == "finished"
    assert _trained(again)["mlp-seed0"] == before["mlp-seed0"]


@pytest.mark.usefixtures("instant_training")
def test_a_ctrl_c_while_a_run_is_trained_ends_the_ladder_after_it(tmp_path):
    said = _Lines("Epoch", lambda: os.kill(os.getpid(), signal.SIGINT))
    found = ladder("digits", rungs=RUNGS, epochs=500, runs=tmp_path, progress=said, **FLOAT)
    assert found.state == "interrupted"
    assert [row.state for row in found.rows] == ["missing", "missing"]
    assert any(line.startswith("The ladder ends here") for line in said.lines)
    (run,) = RunStore(found.path).list()
    assert run.state == "unfinished"


def test_a_ctrl_c_while_a_report_is_written_still_ends_the_ladder():
    heard = []
    with listen_for_signals(lambda: heard.append("ladder")):
        with on_first_signal(lambda: heard.append("report")):
            os.kill(os.getpid(), signal.SIGINT)
            assert heard == ["report", "ladder"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with on_first_signal(lambda: heard.append("report")):
        os.kill(os.getpid(), signal.SIGINT)
    assert heard == ["report", "ladder", "report"]


def test_an_unfinished_ladder_is_known_as_one(found, runs):
    unfinished = replace(found.document, state="unfinished", rungs=(), steps=())
    assert earlier(RunStore(runs), found.path.name, unfinished.plan) == found.document
    assert earlier(RunStore(runs), "another", unfinished.plan) is None


def test_a_folder_that_is_no_ladder_is_not_touched(tmp_path):
    (tmp_path / "ladder-digits").mkdir()
    (tmp_path / "ladder-digits" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="there already"):
        ladder("digits", rungs=RUNGS, epochs=1, runs=tmp_path, **FLOAT)
    assert (tmp_path / "ladder-digits" / "notes.txt").read_text() == "mine"


def test_names_are_checked_before_anything_is_read(tmp_path):
    with pytest.raises(UnknownNameError, match="Try: mlp"):
        ladder(tmp_path / "nowhere", rungs=["mpl"])
    with pytest.raises(ConfigError, match="no rung"):
        ladder(tmp_path / "nowhere", rungs=[])
    with pytest.raises(ConfigError, match="seeds"):
        ladder(tmp_path / "nowhere", rungs=RUNGS, seeds=0)


@pytest.mark.parametrize("rungs", [SMALL_RUNGS, LARGE_RUNGS])
def test_the_ladder_climbs_through_history(rungs):
    years = [ARCHITECTURES[name].year for name in rungs]
    assert years == sorted(years)


@pytest.mark.slow
def test_a_budget_of_minutes_is_every_models(tmp_path):
    with pytest.raises(ConfigError, match="Both a time and a number"):
        ladder("digits", rungs=RUNGS, epochs=1, minutes=1.0, runs=tmp_path, **FLOAT)
    found = ladder("digits", rungs=RUNGS, minutes=0.1, runs=tmp_path, **FLOAT)
    assert found.state == "finished"
    assert found.document.plan.recipe.minutes == 0.1
    for row in found.rows:
        run = found.runs[row.runs[0]]
        assert run.recipe.minutes is None
        assert row.epochs > 0
        if run.recipe.steps_per_epoch is None:
            assert row.epochs == len(run.epochs)


def test_models_on_equal_terms_begin_with_nothing(found):
    assert found.document.plan.recipe.pretrained == "none"
    assert {run.recipe.pretrained for run in found.runs.values()} == {"none"}


def test_a_step_is_real_only_when_every_seed_says_so():
    assert Step("a", "b", (0.1, 0.2), (0.01, 0.04)).better == "b"
    assert Step("a", "b", (-0.1, -0.2), (0.01, 0.04)).verdict == "a is better"
    assert Step("a", "b", (0.1, 0.2), (0.01, 0.06)).better is None
    assert Step("a", "b", (0.1, -0.2), (0.01, 0.01)).verdict == "no significant difference"
    assert Step("a", "b", (0.1, 0.2), (0.01, 0.04)).difference == pytest.approx(0.15)
