"""Runs in folders compared: groups of seeds, the images behind the verdict, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from striate.data.loaders.load import load_images
from striate.errors import DataError, RunError
from striate.evaluation.comparison.compare import compare
from striate.runs.store import RunStore
from striate.studies.repeat import cross_validate, repeat
from striate.system.checksums import write_checksums
from striate.workflows.compare import compare_runs, expanded, save_comparison_page
from striate.workflows.run_data import own_pictures
from striate.workflows.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

SETTINGS = {"architecture": "mlp", "epochs": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, instantly):
    root = tmp_path_factory.mktemp("runs")
    with instantly():
        repeat("digits", seeds=2, name="dense", runs=root, **SETTINGS)
        repeat("digits", seeds=2, name="dropped", runs=root, dropout=0.5, **SETTINGS)
    return root


def test_the_folder_that_repeat_made_stands_for_all_its_runs(runs, tmp_path):
    store = RunStore(runs)
    chosen = [*expanded(store, "dense"), *expanded(store, str(runs / "dropped"))]
    assert [run.name for run in chosen] == ["seed-0", "seed-1"] * 2
    found = compare_runs(chosen, is_timed=True)
    assert [group.name for group in found.groups] == ["dense", "dropped"]
    assert found.pairs[0].has_several_seeds and found.is_content_verified
    assert all(one.ms_per_image > 0 for one in found.runs)
    assert found.runs[0].multiply_adds == 64 * 512 + 512 * 256 + 256 * 10
    with pytest.raises(RunError, match="no such run"):
        expanded(store, "nothing")


def test_the_page_shows_the_images_while_they_are_to_be_had(runs, tmp_path, photos):
    folder = shutil.copytree(photos, tmp_path / "stripes")
    small = {"epochs": 1, "height": 16, "width": 16, "precision": "float32", "artifacts": "none"}
    both = [train(folder, architecture=name, name=name, runs=tmp_path, **small) for name in ("mlp", "lenet")]
    found = compare_runs(both)
    shown = sum(len(side) for pair in found.pairs for side in (pair.only_second_keys, pair.only_first_keys))
    assert shown > 0
    assert save_comparison_page(tmp_path / "c.html", found, both) == ""
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert text.count('<img class="tiny"') + text.count("data:image/webp") >= min(shown, 3)
    key = next(iter(found.runs[0].predictions))
    images = load_images(folder)
    (place,) = np.flatnonzero(images.keys == key)
    assert (own_pictures(both[0], [key])[key] == images.read(int(place))).all()
    shutil.rmtree(folder)
    with pytest.raises(DataError):
        own_pictures(both[0], [key])
    assert save_comparison_page(tmp_path / "gone.html", found, both) != ""
    text = (tmp_path / "gone.html").read_text(encoding="utf-8")
    assert "They cannot be shown" in text and "<figure" not in text


@pytest.mark.usefixtures("instant_training")
def test_equal_names_over_other_images_are_found_out(tmp_path, photos):
    folders = [shutil.copytree(photos, tmp_path / name / "stripes") for name in ("a", "b")]
    settings = {**SETTINGS, "height": 16, "width": 16, "runs": tmp_path, "artifacts": "none"}
    one = train(folders[0], name="one", **settings)
    images = sorted((folders[1] / "across").iterdir())
    for path in images[1:]:
        path.write_bytes(images[0].read_bytes())
    two = shutil.copytree(one.path, tmp_path / "two")
    manifest = json.loads((two / "run.json").read_text())
    manifest["data"] |= {"source": str(folders[1]), "fingerprint": "other"}
    (two / "run.json").write_text(json.dumps(manifest))
    recipe = json.loads((two / "recipe.json").read_text()) | {"batch": 7}
    (two / "recipe.json").write_text(json.dumps(recipe))
    write_checksums(two)
    with pytest.raises(RunError, match="show something else"):
        compare_runs([one, RunStore(tmp_path).find("two")])
    manifest["data"]["source"] = str(tmp_path / "nowhere")
    (two / "run.json").write_text(json.dumps(manifest))
    write_checksums(two)
    assert not compare_runs([one, RunStore(tmp_path).find("two")]).is_content_verified


@pytest.mark.usefixtures("instant_training")
def test_folds_are_other_images_and_refused(runs):
    folds = cross_validate("digits", folds=2, runs=runs, **SETTINGS)
    with pytest.raises(RunError, match="different test images"):
        compare(folds.runs)


def test_failed_and_unfinished_runs_are_refused(runs, tmp_path):
    one, two = expanded(RunStore(runs), "dense")
    broken = RunStore(tmp_path).create("broken", "x")
    (broken.path / "recipe.json").write_bytes((two.path / "recipe.json").read_bytes())
    with pytest.raises(RunError, match="broken is unfinished"):
        compare([one, broken])
    manifest = json.loads((two.path / "run.json").read_text()) | {"state": "failed", "reason": "The loss was NaN"}
    (broken.path / "run.json").write_text(json.dumps(manifest))
    write_checksums(broken.path)
    with pytest.raises(RunError, match=r"broken failed.*The loss was NaN"):
        compare([one, broken])


def test_runs_of_one_name_are_told_apart(runs):
    one = RunStore(runs / "dense").find("seed-0")
    other = RunStore(runs / "dropped").find("seed-0")
    assert [group.name for group in compare([one, other]).groups] == ["seed-0 (1)", "seed-0 (2)"]
