"""Resuming a run, as its users do: what is refused, what is told, and what belongs to several trainings."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.cli import main
from striate.data.batches import Batches
from striate.data.loaders.load import load_images
from striate.data_checks.split import split
from striate.diagnosis.diagnose import load_diagnosis_report
from striate.errors import DataError, RunError, TrainingError
from striate.progress import Progress
from striate.runs.lock import hold_lock
from striate.runs.request import load_request
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.studies.ladder import ladder
from striate.system.atomic_files import compute_sha256, write_json
from striate.system.checksums import find_damaged_files
from striate.workflows.train import resume, train

QUICK = {"architecture": "mlp", "epochs": 4, "precision": "float32", "artifacts": "none", "name": "r"}


class _StopAfter(Progress):
    """Sends Ctrl-C after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.left, self.lines = epochs, []

    def log(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("Epoch"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Run:
    run = train(photos, runs=tmp_path_factory.mktemp("runs"), height=16, progress=_StopAfter(2), **QUICK)
    assert run.state == "unfinished" and len(run.epochs) == 2
    return run


@pytest.fixture
def stopped(stopped_once: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(stopped_once.path, tmp_path / "r"))


@pytest.mark.usefixtures("instant_training")
def test_an_unfinished_run_is_listed_and_resumed_by_name(stopped: Run, capsys: pytest.CaptureFixture[str]):
    root = str(stopped.path.parent)
    assert main(["runs", "--runs", root]) == 0
    assert "r (unfinished)" in capsys.readouterr().out
    assert main(["train", "--resume", "r", "--runs", root]) == 0
    out = capsys.readouterr().out
    assert "Epoch 3/4" in out and "Epoch 2/4" not in out and "Test accuracy" in out
    assert main(["train", "--resume", "r", "--runs", root]) == 0
    assert "there is nothing to resume" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume", "r", "--lr", "1"], "Received: --lr"),
        (["digits", "--resume", "r"], "Received: DATA"),
        (["digits", "--finish"], "--finish goes with --resume RUN"),
        ([], "Missing argument 'DATA'"),
        (["--resume", "rr"], "There is no such run"),
    ],
)
def test_words_that_make_no_sense_are_refused(stopped: Run, capsys: pytest.CaptureFixture[str], words, said):
    assert main(["train", *words, "--runs", str(stopped.path.parent)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("instant_training")
def test_images_that_changed_are_refused_and_nothing_is_lost(stopped: Run, photos: Path, tmp_path: Path):
    before = {path.name: compute_sha256(path) for path in (stopped.path / "checkpoints").iterdir()}
    fewer = Path(shutil.copytree(photos, tmp_path / "photos"))
    next(fewer.rglob("*.jpg")).unlink()
    begun = load_request(stopped.path)
    write_json(stopped.path / "request.json", dataclasses.replace(begun, source=str(fewer)))
    with pytest.raises(DataError, match="not those that this training began with"):
        resume(stopped)
    write_json(stopped.path / "request.json", dataclasses.replace(begun, source=str(tmp_path / "gone")))
    with pytest.raises(DataError):
        resume(stopped)
    assert before == {path.name: compute_sha256(path) for path in (stopped.path / "checkpoints").iterdir()}
    write_json(stopped.path / "request.json", begun)
    assert resume(stopped).state == "finished"


@pytest.mark.usefixtures("instant_training")
def test_what_could_change_the_last_digits_is_told(stopped: Run):
    begun = load_request(stopped.path)
    other = {**begun.versions, "keras": "3.0.0"}
    write_json(stopped.path / "request.json", dataclasses.replace(begun, versions=other, threads={"cores": "64"}))
    told = _StopAfter(99)
    resume(stopped, progress=told)
    assert any(
        "last digits may differ" in line and "keras 3.0.0, now" in line and "cores 64" in line for line in told.lines
    )


@pytest.mark.usefixtures("instant_training")
def test_a_damaged_newest_checkpoint_is_told_and_the_one_before_is_used(stopped: Run):
    newest = max((stopped.path / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    told = _StopAfter(99)
    assert resume(stopped, progress=told).state == "finished"
    assert any(line.startswith(f"The checkpoint {newest.name} is damaged; an older one is used") for line in told.lines)


def test_without_any_checkpoint_it_begins_anew_with_the_same_result(stopped: Run, stopped_once: Run, tmp_path: Path):
    other = Run(shutil.copytree(stopped_once.path, tmp_path / "other"))
    shutil.rmtree(other.path / "checkpoints")
    (other.path / ".recipe.json.0123abcd.tmp").write_text("half")
    both = [resume(one) for one in (stopped, other)]
    sums = {compute_sha256(run.path / "classifier" / "weights.safetensors") for run in both}
    assert len(sums) == 1
    assert not list(other.path.rglob("*.tmp"))


def test_a_run_that_someone_works_in_is_refused(stopped: Run):
    with hold_lock(stopped.path), pytest.raises(RunError, match="Another process is at work in this run"):
        resume(stopped)


@pytest.mark.usefixtures("instant_training")
def test_images_handed_over_in_python_are_asked_for(tmp_path: Path):
    splits = split(load_images("digits"), seed=0)
    run = train(splits, runs=tmp_path, progress=_StopAfter(1), **QUICK)
    with pytest.raises(DataError, match="handed over in Python"):
        resume(run)
    assert resume(run, data=splits).state == "finished"


@pytest.mark.usefixtures("instant_training")
def test_nothing_can_be_made_of_a_run_that_has_learned_nothing(tmp_path: Path):
    class Stop(Progress):
        def advance(self, count: int = 1, note: str | None = None) -> None:
            if note and note.startswith("epoch 1/"):
                os.kill(os.getpid(), signal.SIGINT)

    run = train("digits", runs=tmp_path, progress=Stop(), **QUICK)
    with pytest.raises(RunError, match="Nothing has been learned yet"):
        resume(run, finish=True)
    assert resume(run).state == "finished"


@pytest.mark.usefixtures("instant_training")
def test_a_signal_while_the_report_is_made_leaves_a_run_to_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save, told = Classifier.save, _StopAfter(99)

    def signalled(self: Classifier, folder: Path) -> None:
        save(self, folder)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "save", signalled)
        with pytest.raises(KeyboardInterrupt):
            train("digits", runs=tmp_path, progress=told, **QUICK)
    run = RunStore(tmp_path).find("r")
    assert run.state == "unfinished" and (run.path / "classifier").is_dir()
    assert told.lines[-1] == f"All is learned; striate train --resume {run.path} makes the report."
    told = _StopAfter(99)
    assert resume(run, progress=told).state == "finished"
    assert not any(line.startswith("Epoch") for line in told.lines), "nothing is learned twice"
    assert find_damaged_files(run.path) == []


def test_a_training_that_diverges_late_fails_with_its_best_weights_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = Batches.__getitem__

    def poisoned(self: Batches, index: int):
        pixels, targets = made(self, index)
        return pixels, targets * np.nan if (self.seed is not None and (self.epoch, index) == (2, 5)) else targets

    monkeypatch.setattr(Batches, "__getitem__", poisoned)
    with pytest.raises(TrainingError, match=r"diverged; the best weights before that, epoch 2's, are kept") as caught:
        train("digits", runs=tmp_path, save_every=0, **QUICK)
    said = str(caught.value)
    assert "no number in epoch 3, step" in said and "Try: --lr" in said
    run = RunStore(tmp_path).find("r")
    assert run.state == "failed" and run.manifest.reason == f"diverged: {said}"
    assert run.manifest.best_epoch == 2 and len(run.epochs) == 3
    assert all(np.isfinite(weights).all() for weights in run.classifier.model.get_weights())
    diagnosis = load_diagnosis_report(run.path)
    assert diagnosis is not None and diagnosis.diagnoses[0].kind == "not_finite" and diagnosis.diagnoses[0].fix
    with pytest.raises(RunError, match="failed, and would fail again"):
        resume(run)


def test_a_training_whose_memory_ran_out_can_be_resumed(tmp_path: Path):
    class Full(Progress):
        def log(self, line: str) -> None:
            if line.startswith("Epoch 3/"):
                raise MemoryError

    whole = train("digits", runs=tmp_path / "whole", save_every=0, **QUICK)
    with pytest.raises(TrainingError, match=r"memory does not suffice.*batches of 32.*Try: --batch 16, --size"):
        train("digits", runs=tmp_path, save_every=0, progress=Full(), **QUICK)
    run = RunStore(tmp_path).find("r")
    assert run.state == "failed"
    assert resume(run).state == "finished" and find_damaged_files(run.path) == []
    name = "classifier/weights.safetensors"
    assert compute_sha256(run.path / name) == compute_sha256(whole.path / name)


@pytest.mark.usefixtures("instant_training")
def test_a_ladder_resumes_the_run_that_was_stopped(tmp_path: Path):
    words = {"rungs": ["mlp", "cnn-small"], "epochs": 3, "precision": "float32", "runs": tmp_path}
    stop = _StopAfter(4)
    assert ladder("digits", progress=stop, **words).state == "interrupted"
    told = _StopAfter(99)
    found = ladder("digits", progress=told, **words)
    assert found.state == "finished"
    epochs = [line for line in told.lines if line.startswith("Epoch")]
    assert len(epochs) == 2 and epochs[0].startswith("Epoch 2/3")
    with (found.path / "cnn-small-seed0" / "history.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
