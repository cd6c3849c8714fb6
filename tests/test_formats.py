"""Every format that was ever written is still read: a run of each lies in tests/formats, as its Striate left it, less
the pages and plots, which nobody reads but people.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.diagnosis.evidence import collect_evidence
from striate.errors import RunError
from striate.evaluation.test_access import load_access_records
from striate.explain.training_replay import load_replay
from striate.runs.run import RUN_FORMAT, Run
from striate.system.checksums import has_checksums, write_checksums
from striate.workflows.evaluate import measure_again
from striate.workflows.train import resume

FORMATS = Path(__file__).parent / "formats"
FOLDERS = sorted(path.name for path in FORMATS.iterdir())


@pytest.fixture(params=FOLDERS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    return Run(shutil.copytree(FORMATS / request.param, tmp_path / request.param))


def test_there_is_one_of_every_format():
    assert [f"run-{number}" for number in range(1, RUN_FORMAT + 1)] == FOLDERS
    for name in FOLDERS:
        assert json.loads((FORMATS / name / "run.json").read_text())["format"] == int(name[-1])


def test_everything_in_it_is_read(run: Run):
    assert run.state == "finished"
    assert has_checksums(run.path) == (run.name != "run-1")
    assert run.manifest.architecture == run.recipe.architecture == "cnn-small"
    assert len(run.epochs) == 3 and run.history.best_epoch == 3
    assert run.report.n == run.load_predictions("test").labels.size == 359
    assert run.validation_report.n == run.load_predictions("validation").labels.size == 179
    assert run.report.accuracy == pytest.approx(run.load_predictions("test").is_correct.mean())
    assert len(run.build_summary().predictions) == 359
    assert len(load_access_records(run.path)) == 1
    assert collect_evidence(run).missing_evidence == ()
    assert load_replay(run.get_verified_file("replay.safetensors")).epochs.tolist() == [1, 2, 3]


def test_its_classifier_predictions_as_it_did(run: Run):
    before = run.load_predictions("test")
    assert Classifier.load(run.path).classes == tuple("0123456789")
    measured = measure_again(run)
    assert measured.report.accuracy == run.report.accuracy
    np.testing.assert_allclose(measured.predictions.log_probabilities, before.log_probabilities, atol=1e-3)


def test_a_newer_one_is_refused_by_name(run: Run):
    path = run.path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": RUN_FORMAT + 1, "invented": True}))
    if has_checksums(run.path):
        write_checksums(run.path)
    with pytest.raises(
        RunError, match=rf"run was made by a newer Striate.*format {RUN_FORMAT + 1}\. Expected: format {RUN_FORMAT}"
    ):
        _ = run.manifest


def test_one_that_kept_too_little_says_that_it_cannot_be_resumed(run: Run):
    if run.name == "run-1":
        (run.path / "run.json").unlink()
        with pytest.raises(RunError, match="cannot be resumed: it did not keep what it was asked to do"):
            resume(run)
