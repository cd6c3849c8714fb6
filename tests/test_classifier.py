"""Classifier: any image in, the same prediction out, wherever its folder is moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from PIL import Image

from striate.classifier import BATCH_SIZE, Classifier, Prediction, Predictions
from striate.data.preprocessing import Preprocessing, decode_image
from striate.errors import ClassifierError, DataError, ImageDecodeError
from striate.models.architecture import build_model
from striate.models.classifier_manifest import CLASSIFIER_FORMAT
from striate.models.registry import ARCHITECTURES
from striate.system.atomic_files import compute_sha256
from striate.system.backend import keras, set_seed
from striate.system.checksums import write_checksums

pytestmark = pytest.mark.backend

CLASSES = ("across", "slanting", "upright")
FORM = Preprocessing(12, 14, 3)


def untrained(classes: tuple[str, ...] = CLASSES, name: str = "lenet", form: Preprocessing = FORM, **options: Any):
    set_seed(0)
    return Classifier(
        build_model(ARCHITECTURES[name], form.shape, len(classes)), classes, form, architecture=name, **options
    )


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return untrained(temperature=1.7)


@pytest.fixture(scope="module")
def files(photos: Path) -> list[Path]:
    return sorted(photos.glob("*/*.jpg"))[::9]


# What can be handed in


def test_a_path_its_text_its_bytes_and_its_pixels_get_the_same_prediction(
    classifier, files: list[Path], tmp_path: Path
):
    path = tmp_path / "a.png"
    Image.fromarray(decode_image(files[0])).save(path)
    predictions = [classifier.predict(image) for image in (path, str(path), path.read_bytes(), decode_image(path))]
    assert {type(prediction) for prediction in predictions} == {Prediction}
    assert [prediction.source for prediction in predictions] == [str(path), str(path), "bytes", "array"]
    for prediction in predictions[1:]:
        assert prediction.label == predictions[0].label
        assert prediction.probabilities == pytest.approx(predictions[0].probabilities, abs=1e-5)


def test_a_prediction_holds_every_class_once_with_the_most_probable_first(classifier: Classifier, files: list[Path]):
    prediction = classifier.predict(files[0])
    fractions = list(prediction.probabilities.values())
    assert set(prediction.probabilities) == set(CLASSES)
    assert fractions == sorted(fractions, reverse=True)
    assert sum(fractions) == pytest.approx(1)
    assert (prediction.label, prediction.confidence) == next(iter(prediction.probabilities.items()))
    assert prediction.error is None
    assert str(prediction).startswith(f"{prediction.label} {prediction.confidence:.1%} (")


def test_a_folder_a_glob_and_a_list_are_several_images_in_order(classifier: Classifier, photos: Path):
    across = sorted((photos / "across").iterdir())
    by_folder = classifier.predict(photos / "across")
    by_glob = classifier.predict(f"{photos}/across/*.jpg")
    by_list = classifier.predict([*across])
    for predictions in (by_folder, by_glob, by_list):
        assert isinstance(predictions, Predictions)
        assert [prediction.source for prediction in predictions] == [str(path) for path in across]
    assert by_folder[0] == by_glob[0]


def test_a_folder_or_list_of_one_image_is_still_several(classifier: Classifier, files: list[Path], tmp_path: Path):
    shutil.copy(files[0], tmp_path)
    for images in (tmp_path, f"{tmp_path}/*.jpg", [files[0]], decode_image(files[0])[None]):
        assert isinstance(classifier.predict(images), Predictions)


def test_a_list_may_mix_every_kind_and_names_follow(classifier: Classifier, files: list[Path]):
    stack = np.stack([FORM(path) for path in files[:3]])
    predictions = classifier.predict([files[0], files[1].read_bytes(), stack[2], stack])
    assert [prediction.source for prediction in predictions] == [
        str(files[0]),
        *(f"image {number}" for number in range(1, 6)),
    ]
    assert [prediction.label for prediction in predictions[:3]] == [prediction.label for prediction in predictions[3:]]


def test_stacks_of_arrays_are_read_image_by_image(classifier: Classifier):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 9), dtype=np.uint8)
    for stack in (pixels, pixels[..., None], np.repeat(pixels[..., None], 3, axis=3)):
        np.testing.assert_allclose(classifier.predict_proba(stack), classifier.predict_proba(list(pixels)), atol=1e-6)


@pytest.mark.parametrize(
    "pictures", [5, None, object(), [5], [None], [["nested.jpg"]], np.zeros((2, 8, 8, 3)), np.zeros((2, 2, 8, 8, 3))]
)
def test_what_is_no_image_is_a_data_error(classifier: Classifier, pictures: Any):
    with pytest.raises(DataError):
        classifier.predict(pictures)


def test_nothing_in_is_nothing_out(classifier: Classifier):
    assert list(classifier.predict([])) == []
    assert np.asarray(classifier.predict([])).dtype.kind == "U"
    assert classifier.predict_proba([]).shape == (0, 3)


# Broken images


def test_a_broken_image_among_several_has_its_error_and_the_others_their_predictions(
    classifier: Classifier, files: list[Path], tmp_path: Path
):
    broken, gone = tmp_path / "broken.jpg", tmp_path / "gone.jpg"
    broken.write_bytes(b"<html>")
    predictions = classifier.predict([files[0], broken, files[1], gone])
    assert [prediction.error for prediction in predictions] == [
        None,
        "a web page saved under an image's name",
        None,
        "no such file or directory",
    ]
    assert (predictions[1].label, predictions[1].confidence, predictions[1].probabilities) == (None, None, {})
    assert [predictions[0].label, predictions[2].label] == [
        prediction.label for prediction in classifier.predict(files[:2])
    ]
    assert np.asarray(predictions).tolist() == [predictions[0].label, "", predictions[2].label, ""]
    assert repr(predictions).splitlines()[1] == f"{broken}: a web page saved under an image's name"


def test_only_broken_images_are_only_errors(classifier: Classifier):
    assert [prediction.error for prediction in classifier.predict([b"", b"x"])] == [
        "empty file (0 bytes)",
        "not an image in any known format",
    ]


def test_one_broken_image_alone_is_an_error_that_names_it(classifier: Classifier, tmp_path: Path):
    (tmp_path / "broken.jpg").touch()
    for ask in (classifier.predict, classifier.predict_proba):
        with pytest.raises(ImageDecodeError, match=r"broken\.jpg: empty file"):
            ask(tmp_path / "broken.jpg")


def test_probabilities_and_scores_of_a_set_with_a_broken_image_are_refused(classifier: Classifier, files):
    with pytest.raises(ImageDecodeError, match="empty file"):
        classifier.predict_proba([files[0], b""])
    with pytest.raises(ImageDecodeError):
        classifier.score([files[0], b""], ["across", "across"])


# Numbers


def test_rows_of_probabilities_add_up_to_one_in_the_order_of_classes_(classifier: Classifier, files: list[Path]):
    rows = classifier.predict_proba(files)
    assert rows.shape == (len(files), 3)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-12)
    assert classifier.classes_.tolist() == list(CLASSES)
    for row, prediction in zip(rows, classifier.predict(files), strict=True):
        assert classifier.classes_[row.argmax()] == prediction.label
        assert row.max() == pytest.approx(prediction.confidence)


def test_score_is_what_scikit_learn_measures_on_the_predictions(classifier: Classifier, photos: Path):
    files = sorted(photos.glob("*/*.jpg"))
    labels = [path.parent.name for path in files]
    score = classifier.score(files, labels)
    assert score == sklearn.metrics.accuracy_score(labels, classifier.predict(files))
    assert classifier.score(files, np.asarray(classifier.predict(files))) == 1
    assert 0 < score < 1


@pytest.mark.parametrize("labels", [["across"], ["across"] * 9, [["across"]] * 10, []])
def test_a_score_needs_one_label_per_image(classifier: Classifier, files: list[Path], labels: list[Any]):
    assert len(files) == 10
    with pytest.raises(DataError, match="One label per image"):
        classifier.score(files, labels)


def test_an_image_gets_the_same_probabilities_in_any_company(classifier: Classifier):
    pixels = np.random.default_rng(1).integers(0, 256, (70, *FORM.shape), dtype=np.uint8)
    together = classifier.predict_probabilities(pixels)
    for size in (1, 2, 3, 33, 64):
        np.testing.assert_allclose(classifier.predict_probabilities(pixels[:size]), together[:size], atol=1e-5)
    np.testing.assert_allclose(classifier.predict_probabilities(pixels[::-1]), together[::-1], atol=1e-5)


def test_more_images_than_one_batch_come_back_whole_and_in_order(classifier: Classifier):
    pixels = np.random.default_rng(2).integers(0, 256, (2 * BATCH_SIZE + 5, *FORM.shape), dtype=np.uint8)
    images: list[Any] = list(pixels)
    images[BATCH_SIZE] = b"broken"
    seen: list[int] = []
    rows = classifier.predict_probabilities(pixels, advance=seen.append)
    predictions = classifier.predict(images)
    assert sum(seen) == len(predictions) == len(pixels)
    assert [number for number, prediction in enumerate(predictions) if prediction.error] == [BATCH_SIZE]
    for row, prediction in zip(rows, predictions, strict=True):
        assert prediction.error or max(row) == pytest.approx(prediction.confidence, abs=1e-5)


def test_the_temperature_softens_probabilities_and_changes_no_prediction(files: list[Path]):
    cold, warm = untrained(temperature=0.1), untrained(temperature=5.0)
    one, two = cold.predict_proba(files), warm.predict_proba(files)
    assert (one.argmax(axis=1) == two.argmax(axis=1)).all()
    assert (one.max(axis=1) > two.max(axis=1)).all()
    np.testing.assert_allclose(np.log(two[:, 0] / two[:, 1]) * 50, np.log(one[:, 0] / one[:, 1]), atol=1e-3)


def test_logarithms_stay_finite_where_a_probability_vanishes():
    predictions = untrained(temperature=1e-6).predict_log_probabilities(np.full((3, *FORM.shape), 200, np.uint8))
    assert np.isfinite(predictions).all()
    assert predictions.min() < -700


@pytest.mark.parametrize("number", [2, 200])
def test_two_classes_and_two_hundred_take_the_same_path(number: int, files: list[Path], tmp_path: Path):
    classifier = untrained(tuple(f"class {index}" for index in range(number)))
    assert classifier.predict_proba(files).shape == (len(files), number)
    classifier.save(tmp_path)
    again = Classifier.load(tmp_path).predict(files[0])
    assert len(again.probabilities) == number
    assert again.probabilities == pytest.approx(classifier.predict(files[0]).probabilities, abs=1e-6)


def test_predictions_over_six_views_are_the_weighted_mean_of_their_logits(files: list[Path], tmp_path: Path):
    plain, several = untrained(temperature=0.02), untrained(temperature=0.02, tta="multicrop")
    pixels = np.stack([FORM(path) for path in files])
    height, width = pixels.shape[1:3]
    wide = np.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    total = np.zeros((len(files), 3))
    for start, weight in ((1, 1 / 2), (0, 1 / 4), (2, 1 / 4)):
        shifted = wide[:, start : start + height, start : start + width]
        for one in (shifted, shifted[:, :, ::-1]):
            total += weight / 2 * np.log(plain.predict_probabilities(np.ascontiguousarray(one)))
    expected = scipy.special.softmax(total, axis=1)
    assert np.abs(expected - plain.predict_probabilities(pixels)).max() > 5e-4
    several.save(tmp_path)
    for one in (several, Classifier.load(tmp_path)):
        np.testing.assert_allclose(one.predict_probabilities(pixels), expected, atol=1e-5)
        np.testing.assert_allclose(one.predict_probabilities(pixels[:1]), expected[:1], atol=1e-5)
        many = np.resize(pixels, (2 * BATCH_SIZE + 5, *FORM.shape))
        np.testing.assert_allclose(one.predict_probabilities(many), np.resize(expected, (len(many), 3)), atol=1e-4)


def test_mirrored_predictions_are_the_mean_of_the_logits_of_image_and_mirror_image(files: list[Path], tmp_path: Path):
    plain, mirrored = untrained(temperature=0.02), untrained(temperature=0.02, tta="mirror")  # sharp: views differ
    pixels = np.stack([FORM(path) for path in files])
    logits = [np.log(plain.predict_probabilities(one)) for one in (pixels, pixels[:, :, ::-1])]
    expected = scipy.special.softmax((logits[0] + logits[1]) / 2, axis=1)
    assert np.abs(expected - plain.predict_probabilities(pixels)).max() > 5e-4
    mirrored.save(tmp_path)
    for one in (mirrored, Classifier.load(tmp_path)):
        np.testing.assert_allclose(one.predict_probabilities(pixels), expected, atol=1e-5)
        np.testing.assert_allclose(one.predict_probabilities(pixels[:, :, ::-1]), expected, atol=1e-5)
        np.testing.assert_allclose(one.predict_proba(files), expected, atol=1e-5)
        np.testing.assert_allclose(one.predict_probabilities(pixels[:1]), expected[:1], atol=1e-5)
        many = np.resize(pixels, (2 * BATCH_SIZE + 5, *FORM.shape))
        np.testing.assert_allclose(one.predict_probabilities(many), np.resize(expected, (len(many), 3)), atol=1e-4)


# On disk


@pytest.mark.parametrize("name", ["mlp", "lenet", "cnn-small", "cnn"])  # all others: see test_contract.py
def test_a_folder_that_was_moved_gives_identical_probabilities(name: str, files: list[Path], tmp_path: Path):
    before = untrained(name=name, temperature=1.3)
    before.save(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    after = Classifier.load(tmp_path / "there")
    np.testing.assert_array_equal(after.predict_proba(files), before.predict_proba(files))
    assert (after.classes, after.preprocessing, after.temperature, after.architecture) == (CLASSES, FORM, 1.3, name)


def test_a_run_folder_is_loaded_by_the_classifier_in_it_and_paths_may_be_text(classifier: Classifier, tmp_path: Path):
    classifier.save(str(tmp_path / "run" / "classifier"))
    assert Classifier.load(str(tmp_path / "run")).classes == CLASSES


@pytest.fixture(scope="module")
def original(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    classifier.save(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "saved")


FILES = ("classifier.json", "network.json", "weights.safetensors")


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_checksums(folder, FILES)
    return folder


def test_the_folder_holds_three_files_and_their_checksums(folder: Path):
    assert {path.name for path in folder.iterdir()} == {*FILES, "SHA256SUMS"}
    sums = json.loads((folder / "classifier.json").read_text())["sha256"]
    assert sums == {name: compute_sha256(folder / name) for name in ("network.json", "weights.safetensors")}


def test_a_newer_format_is_refused_by_name_even_when_the_rest_is_strange(folder: Path):
    with pytest.raises(
        ClassifierError, match=rf"made by a newer Striate\. Received: format {CLASSIFIER_FORMAT + 1}\..*upgrade"
    ):
        Classifier.load(edited(folder, format=CLASSIFIER_FORMAT + 1, invented_later={"a": 1}))


def test_a_folder_of_format_1_predictions_as_before(folder: Path, original: Path, files: list[Path]):
    manifest = json.loads((folder / "classifier.json").read_text())
    del manifest["tta"]
    (folder / "SHA256SUMS").unlink()
    (folder / "classifier.json").write_text(json.dumps(manifest | {"format": 1}))
    loaded = Classifier.load(folder)
    assert loaded.tta == "none"
    np.testing.assert_array_equal(loaded.predict_proba(files), Classifier.load(original).predict_proba(files))


def test_a_folder_of_format_2_predictions_everything_as_before(folder: Path, original: Path, files: list[Path]):
    manifest = json.loads((folder / "classifier.json").read_text())
    del manifest["reject_below"]
    (folder / "SHA256SUMS").unlink()
    (folder / "classifier.json").write_text(json.dumps(manifest | {"format": 2}))
    loaded = Classifier.load(folder)
    assert loaded.reject_below == 0
    np.testing.assert_array_equal(loaded.predict_proba(files), Classifier.load(original).predict_proba(files))


def test_below_a_confidence_the_prediction_is_unsure_and_keeps_its_guess(classifier: Classifier, files: list[Path]):
    plain = classifier.predict(files)
    limit = float(np.median([one.confidence for one in plain]))
    found = classifier.predict(files, reject_below=limit)
    assert 0 < sum(one.is_abstention for one in found) < len(found)
    for before, after in zip(plain, found, strict=True):
        assert (after.top_label, after.confidence, after.probabilities) == (
            before.label,
            before.confidence,
            before.probabilities,
        )
        assert after.is_abstention == (before.confidence < limit)
        assert after.label == (None if after.is_abstention else before.label)
        assert str(after).startswith("abstained (" if after.is_abstention else f"{before.label} ")
    assert np.array(found).tolist() == [one.label or "" for one in found]


def test_the_confidence_to_prediction_from_is_kept_with_the_classifier(files: list[Path], tmp_path: Path):
    careful = untrained(temperature=1.7, reject_below=0.99)
    careful.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    assert loaded.reject_below == 0.99
    assert loaded.predict(files[0]).is_abstention and loaded.predict(files[0]).error is None
    assert loaded.predict(files[0], reject_below=0).label == careful.predict(files[0]).top_label


@pytest.mark.parametrize("name", ["network.json", "weights.safetensors"])
def test_a_damaged_or_missing_file_is_named(folder: Path, name: str):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ClassifierError, match=rf"{name} is damaged"):
        Classifier.load(folder)
    (folder / name).unlink()
    with pytest.raises(ClassifierError, match=rf"{name} is missing"):
        Classifier.load(folder)


def test_a_folder_without_a_classifier_says_so(tmp_path: Path):
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ClassifierError, match=r"There is no classifier here.*a folder with classifier\.json"):
            Classifier.load(place)


def test_a_manifest_changed_by_one_letter_is_refused(folder: Path):
    path = folder / "classifier.json"
    path.write_text(path.read_text().replace('"temperature": 1', '"temperature": 2'))
    with pytest.raises(ClassifierError, match=r"classifier\.json is damaged: its checksum"):
        Classifier.load(folder)


def test_a_folder_of_the_newest_format_without_its_checksum_is_refused(folder: Path):
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ClassifierError, match="seal is missing"):
        Classifier.load(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": 1}', b"[" * 100_000])
def test_a_damaged_manifest_is_refused(folder: Path, text: bytes):
    (folder / "classifier.json").write_bytes(text)
    with pytest.raises(ClassifierError, match="manifest is damaged"):
        Classifier.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["one"]},
        {"classes": ["one", "two"]},
        {"classes": ["one", "two", "three", "four"]},
        {"temperature": 0.0},
        {"temperature": -1.0},
        {"reject_below": 1.5},
        {"reject_below": -0.1},
        {"sha256": {}},
        {"format": "1"},
        {"unknown": 1},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(folder: Path, change: dict[str, Any]):
    with pytest.raises(ClassifierError):
        Classifier.load(edited(folder, **change))


def test_a_model_with_foreign_code_is_refused_even_with_the_right_checksum(folder: Path):
    model = folder / "network.json"
    model.write_text(model.read_text().replace('"keras.layers"', '"canary"'))
    sums = {name: compute_sha256(folder / name) for name in ("network.json", "weights.safetensors")}
    with pytest.raises(ClassifierError, match="not a plain Keras layer"):
        Classifier.load(edited(folder, sha256=sums))


def test_a_classifier_refused_on_saving_leaves_the_older_one_whole(folder: Path, files: list[Path]):
    before = Classifier.load(folder).predict_proba(files)
    model = keras.Sequential([keras.Input(FORM.shape), keras.layers.Lambda(abs), keras.layers.Dense(2)])
    with pytest.raises(ClassifierError, match="not a plain Keras layer"):
        Classifier(model, ("a", "b"), FORM).save(folder)
    np.testing.assert_array_equal(Classifier.load(folder).predict_proba(files), before)


def test_saving_over_an_older_classifier_replaces_all_of_it(folder: Path, files: list[Path]):
    other = untrained(("a", "b"))
    other.save(folder)
    assert Classifier.load(folder).classes == ("a", "b")
    np.testing.assert_array_equal(Classifier.load(folder).predict_proba(files), other.predict_proba(files))


def test_open_files_and_pillow_images_are_images_too(classifier, tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (*classifier.preprocessing.shape[:2], 3), np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    by_path = classifier.predict(tmp_path / "a.png").probabilities
    with (tmp_path / "a.png").open("rb") as file:
        assert classifier.predict(file).probabilities == by_path
    assert classifier.predict(image).probabilities == by_path


def test_a_manifest_whose_preprocessing_does_not_fit_the_model_is_refused(classifier, tmp_path):
    classifier.save(tmp_path)
    manifest = json.loads((tmp_path / "classifier.json").read_text())
    manifest["preprocessing"]["height"] += 1
    (tmp_path / "classifier.json").write_text(json.dumps(manifest))
    write_checksums(tmp_path, FILES)
    with pytest.raises(ClassifierError, match="does not fit the model"):
        Classifier.load(tmp_path)
