"""From images to a run's folder: everything in it, nothing before it is certain, and repeatable from it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.classifier import Classifier
from striate.config import to_json
from striate.data.augment import NO_AUGMENT
from striate.data.loaders.load import load_images
from striate.data.splits import split_stratified
from striate.data_checks.split import split as st_split
from striate.errors import (
    ClassifierError,
    ConfigError,
    DataError,
    RunError,
    StriateError,
    TrainingError,
    UnknownNameError,
    WeightsError,
)
from striate.models.architecture import Architecture
from striate.models.pretrained_weights import BACKBONES, get_weights_folder
from striate.progress import Progress
from striate.runs.run import Run
from striate.system.checksums import rewrite_files
from striate.training.presets import RECIPES
from striate.workflows.evaluate import measure_again
from striate.workflows.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2

SMALL = {"architecture": "mlp", "epochs": 1, "height": 12, "channels": 1, "precision": "float32"}
QUICK = {**SMALL, "artifacts": "none"}


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(photos, tmp_path_factory):
    """The striped photographs, three of them broken, and one text file among them."""
    root = Path(shutil.copytree(photos, tmp_path_factory.mktemp("data") / "stripes"))
    (root / "across" / "across 3.jpg").write_bytes(b"")
    (root / "across" / "across 4.jpg").write_bytes(b"<!DOCTYPE html><title>404</title>")
    (root / "upright" / "upright 5.jpg").write_bytes((root / "upright" / "upright 5.jpg").read_bytes()[:100])
    (root / "upright" / "labels.txt").write_text("upright")
    return root


@pytest.fixture(scope="module")
def said():
    return _Lines()


@pytest.fixture(scope="module")
def run(folder, said, tmp_path_factory):
    """A run on these photographs."""
    return train(folder, runs=tmp_path_factory.mktemp("runs"), command="striate train stripes", progress=said, **SMALL)


def test_a_run_folder_holds_every_file_that_its_description_lists(run):
    assert sorted(path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()) == [
        "SHA256SUMS",
        "broken.csv",
        "classifier/SHA256SUMS",
        "classifier/classifier.json",
        "classifier/network.json",
        "classifier/weights.safetensors",
        "diagnosis.json",
        "history.csv",
        "inside.html",
        "plots/confusion.png",
        "plots/coverage.png",
        "plots/curves.png",
        "plots/right.png",
        "plots/wrong.png",
        "predictions.csv",
        "predictions.npy",
        "recipe.json",
        "report.html",
        "report.json",
        "report.md",
        "request.json",
        "run.json",
        "run.lock",
        "split.csv",
        "symptoms.json",
        "test_access.csv",
        "validation.csv",
        "validation.json",
        "validation.npy",
    ]


def test_the_manifest_is_written_last_but_for_the_checksum(run):
    *others, manifest, sums = sorted(
        (path for path in run.path.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns
    )
    assert (manifest.name, sums.name) == ("run.json", "SHA256SUMS") and others


def test_the_run_is_named_after_data_and_model(run):
    assert run.name == "stripes-mlp-1"
    assert run.state == "finished"


def test_the_split_covers_every_readable_image_once(run, folder):
    rows = _rows(run.path / "split.csv")
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys)) == 87
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    assert all(row["key"].startswith(row["class"] + "/") for row in rows)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    broken = {row["key"] for row in _rows(run.path / "broken.csv")}
    assert broken == {"across/across 3.jpg", "across/across 4.jpg", "upright/upright 5.jpg"}
    assert set(keys) == files - broken
    counts = run.manifest.data["counts"]
    assert counts == {name: sum(row["split"] == name for row in rows) for name in counts}


def test_broken_images_are_listed_with_their_reasons(run):
    reasons = {row["key"]: row["reason"] for row in _rows(run.path / "broken.csv")}
    assert reasons["across/across 3.jpg"] == "empty file (0 bytes)"
    assert "web page" in reasons["across/across 4.jpg"]
    assert reasons["upright/upright 5.jpg"].startswith("broken")


def test_what_is_remarkable_is_said_and_kept(run, said):
    kinds = {finding.kind: finding for finding in run.manifest.findings}
    assert kinds["broken"].count == 3
    assert kinds["ignored"].files == ("upright/labels.txt",)
    assert any(line.startswith("warning: 3 of 90 files cannot be read") for line in said.lines)
    assert any(line.startswith("Epoch 1/1") for line in said.lines)


def test_the_report_counts_the_test_images_of_the_split(run):
    tested = {row["key"] for row in _rows(run.path / "split.csv") if row["split"] == "test"}
    predictions = _rows(run.path / "predictions.csv")
    assert {row["key"] for row in predictions} == tested
    assert run.report.n == len(tested)
    assert run.report.correct_count == sum(row["class"] == row["predicted"] for row in predictions)
    assert run.validation_report.n == run.manifest.data["counts"]["validation"]


def test_the_manifest_says_what_was_done(run, folder):
    manifest = run.manifest
    assert manifest.command == "striate train stripes"
    assert manifest.data["source"] == str(folder)
    assert manifest.data["classes"] == ["across", "slanting", "upright"]
    assert len(manifest.data["fingerprint"]) == 64
    assert (manifest.epochs, manifest.best_epoch, manifest.seed) == (1, 1, 0)
    assert manifest.versions["keras"]
    assert manifest.hardware["cores"] >= 1
    assert manifest.started_at.endswith("+00:00")
    parts = manifest.phase_seconds
    assert parts["total"] >= parts["reading"] + parts["training"]
    assert manifest.reason is None


def test_the_saved_classifier_predictions_as_the_one_in_memory(run):
    again = Classifier.load(run.path / "classifier")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 1), dtype=np.uint8)
    np.testing.assert_array_equal(again.predict_proba(pixels), run.classifier.predict_proba(pixels))
    assert again.classes == ("across", "slanting", "upright")
    assert (again.preprocessing.height, again.preprocessing.width, again.preprocessing.channels) == (12, 12, 1)


def test_measuring_again_after_the_run_was_moved_gives_the_same_report(run, tmp_path):
    moved = Run(shutil.copytree(run.path, tmp_path / "moved"))
    report = measure_again(moved).report
    assert report.accuracy == run.report.accuracy
    assert report.confusion == run.report.confusion
    assert report.loss == pytest.approx(run.report.loss, rel=1e-5)
    assert [one.key for one in report.misclassifications] == [one.key for one in run.report.misclassifications]


def test_measuring_on_other_data_takes_its_test_images_alone_if_it_brings_some(run, photos, tmp_path):
    assert measure_again(run, photos).report.n == 90
    for part, count in (("train", 5), ("test", 3)):
        for name in ("across", "upright"):
            (tmp_path / part / name).mkdir(parents=True)
            for path in sorted((photos / name).iterdir())[:count]:
                shutil.copy(path, tmp_path / part / name)
    report = measure_again(run, tmp_path).report
    assert (report.n, report.split) == (6, "test")


def test_measuring_again_tells_that_images_are_gone(run, folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "stripes"))
    gone = next(row["key"] for row in _rows(run.path / "split.csv") if row["split"] == "test")
    (copy / gone).unlink()
    moved = Run(shutil.copytree(run.path, tmp_path / "moved"))
    text = (moved.path / "run.json").read_text().replace(json.dumps(str(folder)), json.dumps(str(copy)))
    with rewrite_files(moved.path, "run.json"):
        (moved.path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"1 of the 87 images.*are gone"):
        measure_again(moved)


@pytest.mark.usefixtures("instant_training")
def test_a_csv_table_trains_as_well(photos, tmp_path):
    table = tmp_path / "stripes.csv"
    paths = sorted(photos.rglob("*.jpg"))
    table.write_text("path,label\n" + "".join(f"{path},{path.parent.name}\n" for path in paths))
    run = train(table, runs=tmp_path / "runs", **QUICK)
    assert run.name == "stripes-mlp-1"
    assert len(_rows(run.path / "split.csv")) == 90
    assert not (run.path / "broken.csv").exists()
    assert measure_again(run).report.accuracy == run.report.accuracy


def test_arrays_train_and_cannot_be_loaded_again_by_name(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.array(["dark", "light"] * 40)
    pixels = rng.integers(0, 100, (80, 6, 7), dtype=np.uint8) + np.where(labels == "light", 150, 0)[:, None, None]
    data = pixels.astype(np.uint8), labels
    settings = {"augment": "none", "batch": 8, "epochs": 5, "precision": "float32", "artifacts": "none"}
    run = train(data, architecture="mlp", recipe="classic", runs=tmp_path, **settings)
    assert run.name == "arrays-mlp-1"
    assert (run.recipe.height, run.recipe.width, run.recipe.channels) == (6, 7, 1)
    assert run.report.accuracy == 1
    assert run.manifest.data["source"] is None
    with pytest.raises(DataError, match=r"handed over in Python.*striate evaluate arrays-mlp-1 DATA"):
        measure_again(run)


@pytest.mark.usefixtures("instant_training")
def test_splits_made_before_are_kept(tmp_path):
    splits = split_stratified(load_images("digits"), validation=0.2, test=0.3, seed=4)
    run = train(splits, runs=tmp_path, name="mine", **{**QUICK, "height": None, "channels": None})
    rows = {row["key"]: row["split"] for row in _rows(run.path / "split.csv")}
    for name, part in zip(("train", "validation", "test"), splits, strict=True):
        assert {key for key, given in rows.items() if given == name} == set(part.keys.tolist())


@pytest.mark.usefixtures("instant_training")
def test_an_architecture_and_a_recipe_of_ones_own_are_used(tmp_path):
    mlp = RECIPES["classic"]
    own = Architecture("tiny", _tiny, "tiny", "me", 2024, "nowhere", "Mine.")
    run = train(
        "digits",
        architecture=own,
        recipe=replace(mlp, name="mine", epochs=2, precision="float32"),
        runs=tmp_path,
        batch=64,
    )
    assert run.name == "digits-tiny-1"
    assert run.recipe.name == "mine"
    assert (run.recipe.epochs, run.recipe.batch, run.recipe.keep) == (2, 64, "last")
    assert run.manifest.parameters == run.classifier.model.count_params() == 64 * 4 + 4 + 4 * 10 + 10
    assert run.manifest.best_epoch == 2
    assert Classifier.load(run.path).architecture == "tiny"


def _tiny(shape, classes, dropout, seed, *, embedding="embedding"):
    from striate.system.backend import keras

    images = keras.Input(shape)
    x = keras.layers.Flatten(name="features")(images)
    x = keras.layers.Dense(4, name=embedding)(x)
    return keras.Model(images, keras.layers.Dense(classes)(x))


def _without_embedding(shape, classes, dropout, seed):
    return _tiny(shape, classes, dropout, seed, embedding="other")


def _with_foreign_code(shape, classes, dropout, seed):
    from striate.system.backend import keras

    model = _tiny(shape, classes, dropout, seed)
    return keras.Model(model.inputs, keras.layers.Lambda(lambda x: x * 2)(model.outputs[0]))


def test_a_model_that_could_not_be_saved_is_told_before_it_is_trained(tmp_path):
    own = Architecture("tiny", _with_foreign_code, "tiny", "me", 2024, "nowhere", "Mine.")
    with pytest.raises(ClassifierError, match="not a plain Keras layer"):
        train("digits", architecture=own, epochs=1, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_architecture_that_breaks_the_contract_leaves_no_folder(tmp_path):
    own = Architecture("tiny", _without_embedding, "tiny", "me", 2024, "nowhere", "Mine.")
    with pytest.raises(ConfigError, match="no layer named 'embedding'"):
        train("digits", architecture=own, epochs=1, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("instant_training")
def test_a_classifier_trained_from_a_run_s_own_recipe_is_the_same(run, folder, tmp_path):
    again = train(folder, recipe=run.path / "recipe.json", runs=tmp_path, artifacts="none")
    assert again.recipe == run.recipe
    assert (again.path / "split.csv").read_bytes() == (run.path / "split.csv").read_bytes()
    assert again.manifest.data["fingerprint"] == run.manifest.data["fingerprint"]


def test_too_many_broken_images_end_it_before_a_folder_is_made(folder, tmp_path):
    with pytest.raises(DataError, match=r"3 of 90 images cannot be read, more than the limit of 2%") as caught:
        train(folder, runs=tmp_path / "runs", max_broken=0.02, **QUICK)
    assert "--max-broken 0.04" in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_class_without_a_readable_image_ends_it_before_a_folder_is_made(photos, tmp_path):
    root = Path(shutil.copytree(photos, tmp_path / "data"))
    for number, path in enumerate(sorted((root / "across").iterdir())):
        if number < 5:
            path.write_bytes(b"")
        else:
            path.unlink()
    with pytest.raises(DataError, match="class 'across' has no readable image"):
        train(root, runs=tmp_path / "runs", **QUICK)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("data", "settings", "error", "message"),
    [
        ("digts", {}, DataError, "Try: digits"),
        ("digits", {"architecture": "lenett"}, UnknownNameError, "Try: lenet"),
        ("digits", {"recipe": "clasic"}, UnknownNameError, "Try: classic"),
        ("digits", {"recipe": "absent.json"}, ConfigError, "cannot be read"),
        ("digits", {"name": "a/b"}, RunError, "Not a name"),
        ("digits", {"epochs": 0}, ConfigError, "epochs"),
        ("digits", {"learning_rate": -1.0}, ConfigError, "learning_rate"),
        ("digits", {"seed": -1}, ConfigError, "seed"),
        ("digits", {"height": 0}, ConfigError, "height"),
        ("digits", {"augment": "flop"}, UnknownNameError, "Try: flip"),
        ("digits", {"augment": "shift=lots"}, ConfigError, "shift"),
        ("digits", {"validation": 0.0}, DataError, "validation"),
        ("digits", {"test": 0.9}, DataError, "test"),
        ("digits", {"optimiser": "adam"}, ConfigError, "Try: optimizer"),
    ],
)
def test_a_mistake_is_told_before_any_folder_is_made(tmp_path, data, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        train(data, runs=tmp_path / "runs", **settings)
    assert isinstance(caught.value, StriateError)
    assert not (tmp_path / "runs").exists()


def test_a_name_that_exists_is_refused_and_the_old_run_kept(run, folder):
    before = sorted(path.name for path in run.path.parent.iterdir())
    with pytest.raises(RunError, match="there already"):
        train(folder, runs=run.path.parent, name=run.name, **QUICK)
    assert sorted(path.name for path in run.path.parent.iterdir()) == before
    assert run.state == "finished"


# Pretrained weights


@pytest.fixture
def narrow(test_data):
    return test_data / "weights" / "mobilenet_v2_0.35_224_no_top.h5"


@pytest.fixture
def wide_at_hand(test_data, tmp_path, monkeypatch):
    """Keras' folder of weights, with those of MobileNetV2 under their official name."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    path = get_weights_folder() / BACKBONES["mobilenet_v2"].weights_file.name
    path.parent.mkdir(parents=True)
    path.symlink_to(test_data / "weights" / "mobilenet_v2_1.0_224_no_top_bnfolded.h5")
    return path


@pytest.fixture(scope="module")
def large_photos(photos, tmp_path_factory):
    """The first 12 striped photographs of each kind, enlarged."""
    root = tmp_path_factory.mktemp("large")
    for path in sorted(photos.rglob("*.jpg")):
        if int(path.stem.split()[-1]) < 12:
            (root / path.parent.name).mkdir(exist_ok=True)
            with Image.open(path) as image:
                image.resize((100, 110)).save(root / path.parent.name / path.name)
    return root


@pytest.mark.slow
def test_a_run_from_a_file_of_weights_repeats_from_its_recipe(photos, narrow, tmp_path):
    first = train(photos, pretrained=str(narrow), epochs=3, height=32, runs=tmp_path)
    assert first.name == f"{photos.name}-mobilenet_v2_0.35-1"
    recipe = json.loads((first.path / "recipe.json").read_text())
    assert (recipe["architecture"], recipe["pretrained"]) == ("mobilenet_v2_0.35", str(narrow.resolve()))
    assert recipe["augment"] == json.loads(to_json(NO_AUGMENT))
    second = train(photos, recipe=first.path / "recipe.json", runs=tmp_path)
    assert second.report.confusion == first.report.confusion
    assert measure_again(first).report.accuracy == first.report.accuracy
    again = Classifier.load(first.path / "classifier")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(again.predict_proba(pixels), first.classifier.predict_proba(pixels))


@pytest.mark.slow
def test_photographs_begin_with_the_weights_at_hand_and_that_is_said(large_photos, wide_at_hand, tmp_path):
    lines = _Lines()
    run = train(large_photos, epochs=1, runs=tmp_path / "runs", progress=lines)
    assert run.manifest.architecture == "mobilenet_v2"
    assert not any("--augment" in line for line in lines.lines)
    assert json.loads((run.path / "recipe.json").read_text())["pretrained"] == "imagenet"
    assert any(line.startswith("mobilenet_v2, with pretrained weights, on") and "96×96" in line for line in lines.lines)


def test_changes_asked_for_that_a_frozen_model_cannot_see_are_not_dropped_in_silence(photos, narrow, tmp_path):
    lines = _Lines()
    train(photos, pretrained=str(narrow), epochs=1, height=32, augment="flip", runs=tmp_path, progress=lines)
    assert any("--augment is for --fine-tune" in line for line in lines.lines)


def test_damaged_weights_at_hand_are_told_before_any_folder_is_made(large_photos, wide_at_hand, tmp_path):
    content = wide_at_hand.read_bytes()[:100_000]
    wide_at_hand.unlink()
    wide_at_hand.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        train(large_photos, epochs=1, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"architecture": "vgg16", "height": 8}, ConfigError, "too small for the model vgg16"),
        ({"architecture": "vgg16", "height": 8000, "channels": 3}, TrainingError, "memory does not suffice"),
        ({"pretrained": "absent.h5"}, WeightsError, "cannot be read"),
        ({"pretrained": "imagenet", "architecture": "lenet"}, ConfigError, "no pretrained weights for this model"),
        ({"pretrained": "imagenet", "channels": 1}, ConfigError, "three channels"),
        ({"fine_tune": 2, "architecture": "cnn"}, ConfigError, "nothing to fine-tune"),
        ({"minutes": 1.0, "epochs": 3}, ConfigError, "--minutes or --epochs"),
    ],
)
def test_a_model_or_weights_that_cannot_be_are_told_before_any_folder_is_made(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        train("digits", runs=tmp_path / "runs", **settings)
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("instant_training")
def test_epochs_asked_for_take_the_place_of_a_recipes_minutes(tmp_path):
    recipe = replace(RECIPES["default"], minutes=60.0)
    run = train("digits", recipe=recipe, runs=tmp_path, **{**QUICK, "epochs": 1})
    assert run.manifest.epochs == 1


@pytest.fixture
def leaky(photos, tmp_path):
    """Splits of the striped photographs, a test image of which is among the training images too."""
    root = tmp_path / "leaky"
    for path in sorted(photos.rglob("*.jpg")):
        number = int(path.stem.split()[-1])
        target = root / ("train", "test")[number % 3 == 0] / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.save(target, quality=80)
            if path.stem == "upright 6":
                image.resize((33, 33)).save(root / "train" / "upright" / "small.png")
    return load_images(root)


def test_a_leak_is_refused_before_a_folder_is_made_and_named(leaky, tmp_path):
    with pytest.raises(DataError, match="lie in more than one split") as caught:
        train(leaky, runs=tmp_path / "runs", **QUICK)
    assert "test/upright/upright 6.jpg = train/upright/small.png" in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("instant_training")
def test_a_leak_that_is_allowed_is_told_and_measured_without(leaky, tmp_path):
    progress = _Lines()
    run = train(leaky, allow_leaks=True, runs=tmp_path, progress=progress, **QUICK)
    assert any(line.startswith("error: ") and "more than one split" in line for line in progress.lines)
    assert [finding.kind for finding in run.manifest.findings] == ["leak"]
    assert run.report.n == 30 and run.report.without_leaks is not None
    assert run.report.without_leaks.n == 29
    rows = [row for row in _rows(run.path / "predictions.csv") if row["key"] != "test/upright/upright 6.jpg"]
    right = sum(row["class"] == row["predicted"] for row in rows)
    assert run.report.without_leaks.accuracy == pytest.approx(right / 29)
    assert [row["key"] for row in _rows(run.path / "leaked.csv")] == ["test/upright/upright 6.jpg"]


@pytest.mark.usefixtures("instant_training")
def test_splits_made_before_are_looked_at_as_well(leaky, tmp_path):
    images = replace(leaky, splits=np.full(len(leaky), "", "U10"))
    careless = split_stratified(images, seed=0)  # knows nothing of copies
    together = next(part for part in careless if "train/upright/small.png" in part.keys.tolist())
    assert train(st_split(images, seed=0), runs=tmp_path / "runs", **QUICK).report.without_leaks is None
    if "test/upright/upright 6.jpg" not in together.keys.tolist():
        with pytest.raises(DataError, match="lie in more than one split"):
            train(careless, runs=tmp_path / "careless", **QUICK)


@pytest.mark.usefixtures("instant_training")
def test_a_named_set_keeps_its_published_division_whatever_leaks(monkeypatch, photos, tmp_path):
    from striate.data.loaders import load as door
    from striate.data.loaders.arrays import from_arrays

    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (60, 12, 12), np.uint8), np.arange(60) % 2
    test = rng.integers(0, 256, (20, 12, 12), np.uint8)
    test[4] = pixels[10]
    own = from_arrays(pixels, labels, test=(test, np.arange(20) % 2))
    monkeypatch.setattr(door, "load_builtin", lambda *_, **__: own)
    run = train("fashion_mnist", runs=tmp_path, **QUICK)
    assert run.report.without_leaks is not None and run.report.without_leaks.n == 19


@pytest.mark.usefixtures("instant_training")
def test_corrections_shape_a_training_and_stay_with_its_run(folder, tmp_path):
    (tmp_path / "list.csv").write_text(
        "key,action,label\nacross/across 0.jpg,exclude,\nacross/across 1.jpg,relabel,upright\n", encoding="utf-8"
    )
    run = train(folder, corrections=tmp_path / "list.csv", runs=tmp_path / "runs", **QUICK)
    rows = {row["key"]: row["class"] for row in _rows(run.path / "split.csv")}
    assert "across/across 0.jpg" not in rows and rows["across/across 1.jpg"] == "upright"
    (tmp_path / "list.csv").unlink()
    assert measure_again(run).report == run.report
    assert (run.path / "corrections.csv").is_file()
    assert measure_again(run, folder).report == run.report


def test_a_mistake_in_the_corrections_is_told_before_a_folder_is_made(folder, tmp_path):
    (tmp_path / "list.csv").write_text("key,action\nacross/across 0.jpg,delete\n", encoding="utf-8")
    with pytest.raises(DataError, match="unknown action"):
        train(folder, corrections=tmp_path / "list.csv", runs=tmp_path / "runs", **QUICK)
    assert not (tmp_path / "runs").exists()
