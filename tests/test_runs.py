"""The folder of runs: made, listed, found, and refused when something is wrong."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from striate.config import to_json
from striate.errors import RunError
from striate.runs.run import RUN_FORMAT, Run, flatten_settings
from striate.runs.store import RunStore
from striate.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


def _made(store, name):
    run = store.create(name, "")
    (run.path / "recipe.json").write_text(to_json(Recipe()))
    return run


@pytest.fixture
def copied(digits_run, tmp_path):
    """A copy of the digits run as it was before there were seals, which may be damaged: only its readers can tell."""
    run = Run(shutil.copytree(digits_run.path, tmp_path / "digits"))
    (run.path / "SHA256SUMS").unlink()
    manifest = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(manifest | {"format": 1}))
    return run


def test_a_run_whose_checksum_is_not_written_yet_is_unfinished(digits_run, tmp_path):
    run = Run(shutil.copytree(digits_run.path, tmp_path / "digits"))
    assert run.state == "finished"
    (run.path / "SHA256SUMS").unlink()
    assert run.state == "unfinished"


def test_a_run_gets_the_folder_it_is_named_after(tmp_path):
    run = RunStore(tmp_path / "new" / "runs").create("my-run_1.0+x", "ignored")
    assert run.path == tmp_path / "new" / "runs" / "my-run_1.0+x"
    assert run.name == "my-run_1.0+x"
    assert list(run.path.iterdir()) == []


def test_without_a_name_the_next_free_number_is_taken(tmp_path):
    store = RunStore(tmp_path)
    assert [store.create(None, "digits-cnn").name for _ in range(3)] == ["digits-cnn-1", "digits-cnn-2", "digits-cnn-3"]
    (tmp_path / "digits-cnn-2").rmdir()
    assert store.create(None, "digits-cnn").name == "digits-cnn-2"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("my photos-cnn", "my-photos-cnn-1"),
        ("../../etc-cnn", "etc-cnn-1"),
        ("猫-cnn", "猫-cnn-1"),
        ("a/b\\c", "a-b-c-1"),
        ("...", "run-1"),
        ("", "run-1"),
        ("-rf", "rf-1"),
    ],
)
def test_a_name_made_from_any_data_is_a_plain_folder_name(tmp_path, stem, name):
    run = RunStore(tmp_path).create(None, stem)
    assert run.name == name
    assert run.path.parent == tmp_path
    assert RunStore(tmp_path / "other").create(run.name, "").name == name


def test_a_name_that_is_taken_is_refused(tmp_path):
    store = RunStore(tmp_path)
    store.create("one", "")
    for attempt in (lambda: store.create("one", ""), lambda: store.check_name("one")):
        with pytest.raises(RunError, match=r"there already.*another --name"):
            attempt()
    store.check_name("two")
    store.check_name(None)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "a b", "a\n", "x" * 101, "a:b"]
)
def test_a_name_that_is_no_plain_folder_name_is_refused(tmp_path, name):
    with pytest.raises(RunError, match="Not a name for a run"):
        RunStore(tmp_path / "runs").create(name, "")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="folder cannot be made"):
        RunStore(tmp_path / "file").create("one", "")
    with pytest.raises(RunError, match="folder cannot be made"):
        RunStore(tmp_path).create(None, "x" * 300)


def test_runs_are_listed_oldest_first_and_other_folders_not_at_all(tmp_path):
    store = RunStore(tmp_path)
    for age, name in enumerate(["b", "c", "a"]):
        run = _made(store, name)
        os.utime(run.path / "recipe.json", (1000 + age, 1000 + age))
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").write_text("")
    assert [run.name for run in store.list()] == ["b", "c", "a"]
    assert RunStore(tmp_path / "absent").list() == []


def test_a_run_is_found_by_name_and_by_path(tmp_path):
    store = RunStore(tmp_path)
    path = _made(store, "one").path
    assert store.find("one").path == path
    assert store.find(str(path)).path == path
    assert RunStore(tmp_path / "elsewhere").find(path).path == path


def test_a_run_that_is_not_there_suggests_the_nearest(tmp_path):
    store = RunStore(tmp_path)
    _made(store, "digits-cnn-1")
    with pytest.raises(RunError, match=r"no such run.*Received: digit-cnn-1.*Try: digits-cnn-1"):
        store.find("digit-cnn-1")
    with pytest.raises(RunError, match="no such run"):
        RunStore(tmp_path / "absent").find("one")


def test_a_finished_run_predictions_what_it_holds(digits_run):
    run = Run(digits_run.path)
    assert run.state == "finished"
    assert repr(run) == f"Run({str(digits_run.path)!r}, finished)"
    assert run.manifest.name == run.name == "digits"
    assert run.recipe.architecture == run.manifest.architecture == "cnn-small"
    assert run.report.split == "test"
    assert run.validation_report.split == "validation"
    assert run.history.best_epoch == run.manifest.best_epoch in range(1, 5)
    assert [row.epoch for row in run.epochs] == [1, 2, 3, 4]
    assert run.manifest.parameters == run.classifier.model.count_params()
    assert run.classifier is run.classifier


def test_a_run_as_contender_is_what_it_holds(digits_run):
    contender = digits_run.build_summary()
    assert contender.report == digits_run.report
    assert contender.is_correct(contender.predictions).sum() == digits_run.report.correct_count
    assert len(contender.predictions) == digits_run.report.n
    assert contender.settings["data"] == "digits"
    assert contender.settings["epochs"] == 4
    assert "name" not in contender.settings
    assert contender.training_seconds == digits_run.manifest.phase_seconds["training"] > 0


def test_a_run_without_its_manifest_is_unfinished(copied):
    (copied.path / "run.json").unlink()
    assert copied.state == "unfinished"
    assert repr(copied).endswith("unfinished)")
    assert copied.history.best_epoch == 0
    assert len(copied.epochs) == 4
    with pytest.raises(RunError, match=r"run\.json is missing, so this run is unfinished"):
        _ = copied.manifest


def test_a_run_that_is_no_folder_is_told(tmp_path):
    with pytest.raises(RunError, match="There is no such run"):
        _ = Run(tmp_path / "absent").manifest


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', "\x00\x00"])
def test_a_damaged_manifest_is_told_by_name(copied, damage):
    (copied.path / "run.json").write_text(damage)
    for attempt in (lambda: copied.manifest, lambda: copied.state, lambda: copied.history):
        with pytest.raises(RunError, match=r"run\.json is damaged or from another version"):
            attempt()
    assert "damaged" in repr(copied)


def test_a_manifest_with_an_unknown_state_is_told(copied):
    value = json.loads((copied.path / "run.json").read_text())
    (copied.path / "run.json").write_text(json.dumps(value | {"state": "paused"}))
    with pytest.raises(RunError, match=r"state cannot be used.*paused"):
        _ = copied.manifest


def test_a_manifest_of_a_newer_striate_is_told(copied):
    value = json.loads((copied.path / "run.json").read_text())
    (copied.path / "run.json").write_text(json.dumps(value | {"format": RUN_FORMAT + 1, "carbon": 3.5}))
    with pytest.raises(RunError, match=rf"made by a newer Striate.*format {RUN_FORMAT + 1}\..*upgrade"):
        _ = copied.manifest


def test_a_manifest_with_a_foreign_key_is_told(copied):
    value = json.loads((copied.path / "run.json").read_text())
    (copied.path / "run.json").write_text(json.dumps(value | {"carbon": 3.5}))
    with pytest.raises(RunError, match=r"another version of Striate.*carbon"):
        _ = copied.manifest


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("recipe.json", "recipe"), ("report.json", "report"), ("validation.json", "validation_report")],
)
def test_any_other_damaged_document_is_told_by_name(copied, name, attribute):
    (copied.path / name).write_text("{}x")
    with pytest.raises(RunError, match=f"{name} is damaged"):
        getattr(copied, attribute)


def test_a_run_can_be_moved_and_renamed(copied, tmp_path):
    moved = Run(copied.path.rename(tmp_path / "elsewhere"))
    assert moved.name == "elsewhere"
    assert moved.state == "finished"
    assert moved.classifier.classes == tuple("0123456789")


def test_flat_settings_put_the_augmentation_beside_the_rest(digits_run):
    settings = flatten_settings(digits_run.recipe)
    assert "augment" not in settings
    assert settings["augment.flip"] is False
    assert settings["augment.shift"] == digits_run.recipe.augment.shift
    assert flatten_settings(Recipe(augment="auto"))["augment"] == "auto"
