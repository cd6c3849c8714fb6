"""Many images into Parquet: one prediction each, in order, whatever they lie in, and resumed after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.cli import main
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.data.shards import write_shards
from striate.errors import DataError
from striate.inference.batch.job import BatchJob
from striate.inference.batch.work_items import IMAGES_PER_ITEM, list_work_items
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.workflows.predict import predict_all

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    names = ("across", "slanting", "upright")
    return Classifier(build_model(ARCHITECTURES["lenet"], (24, 24, 3), 3), names, Preprocessing(24, 24, 3))


@pytest.fixture(scope="module")
def exported(classifier, photos, tmp_path_factory):
    """The classifier as an ONNX file."""
    out = tmp_path_factory.mktemp("bulk") / "answers"
    predict_all(classifier, [photos], out)
    return out / "_classifier.onnx"


def rows(folder):
    return pq.read_table(folder).to_pylist()


def test_every_image_of_a_folder_has_the_classifiers_prediction(classifier, photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "across" / "across 3.jpg").write_bytes(b"nothing")
    summary = predict_all(classifier, [folder], tmp_path / "out")
    assert (summary.image_count, summary.label_count, summary.abstention_count, summary.error_count) == (90, 89, 0, 1)
    found, expected = rows(tmp_path / "out"), classifier.predict(folder)
    assert [row["source"] for row in found] == [one.source for one in expected]
    assert [row["label"] for row in found] == [one.label for one in expected]
    for row, one in zip(found, expected, strict=True):
        assert row["error"] == one.error
        if one.error is None:
            fractions = [one.probabilities[name] for name in classifier.classes]
            assert np.abs(np.array(row["probabilities"]) - fractions).max() < 1e-5
            assert row["confidence"] == pytest.approx(one.confidence, abs=1e-5)
        else:
            assert row["probabilities"] is row["confidence"] is row["label"] is None
    classes = json.loads(pq.read_schema(next((tmp_path / "out").glob("part-*"))).metadata[b"classes"])
    assert tuple(classes) == classifier.classes


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_shards_are_answered_where_they_lie_and_keep_their_keys(exported, photos, tmp_path, form, store):
    images = load_images(photos)
    write_shards(images, tmp_path / "shards", shard_format=form, shard_bytes=40_000)
    address = f"s3://pictures/bulk-{form}"
    write_shards(images, address, shard_format=form, shard_bytes=40_000)
    predict_all(exported, [photos], tmp_path / "files")
    predict_all(exported, [tmp_path / "shards"], tmp_path / "here")
    predict_all(exported, [f"{address}/**"], tmp_path / "there")
    files, here, there = (rows(tmp_path / name) for name in ("files", "here", "there"))
    assert [row["key"] for row in here] == [row["key"] for row in there] == images.keys.tolist()
    assert all(row["source"].startswith(f"{address}/all-0000") and "#" in row["source"] for row in there)
    fractions = [np.array([row["probabilities"] for row in found]) for found in (files, here, there)]
    assert (fractions[0] == fractions[1]).all() and (fractions[0] == fractions[2]).all()


def test_objects_of_a_bucket_one_of_them_gone_one_broken(exported, photos, tmp_path, store):
    paths = sorted(photos.rglob("*.jpg"))[:7]
    for number, path in enumerate(paths):
        store.pipe_file(f"pictures/objects/a/{number}.jpg", path.read_bytes())
    store.pipe_file("pictures/objects/b/readme.txt", b"no picture")
    store.pipe_file("pictures/objects/b/7.jpg", b"broken")
    summary = predict_all(exported, ["s3://pictures/objects/**"], tmp_path / "out")
    assert (summary.image_count, summary.error_count) == (8, 1)
    assert rows(tmp_path / "out")[-1]["source"] == "s3://pictures/objects/b/7.jpg"
    pieces = list_work_items(["s3://pictures/objects/**"])
    store.rm("pictures/objects/a/3.jpg")  # between listing and reading
    from striate.inference.batch.worker import BatchPredictor

    found = BatchPredictor(exported)(pieces[0]).to_pylist()
    assert [row["error"] for row in found] == [
        *[None] * 3, "no such file or directory", *[None] * 3, "not an image in any known format",
    ]  # fmt: skip


def test_a_damaged_shard_costs_its_own_images_alone(exported, photos, tmp_path):
    write_shards(load_images(photos), tmp_path / "t", shard_format="webdataset")
    tar = tmp_path / "t" / "all-00000-of-00001.tar"
    tar.write_bytes(tar.read_bytes()[:60_000])
    table = tmp_path / "broken.parquet"
    table.write_bytes(b"PAR1 and nothing more")
    summary = predict_all(exported, [tar, table, sorted(photos.rglob("*.jpg"))[0]], tmp_path / "out")
    found = rows(tmp_path / "out")
    assert summary.error_count == 2 and summary.image_count == len(found) > 10
    assert "damaged or cut off" in found[-3]["error"] and "cannot be read" in found[-2]["error"]
    assert found[-1]["label"] is not None


def test_refusal_is_told_in_its_own_column(exported, photos, tmp_path):
    summary = predict_all(exported, [photos], tmp_path / "out", reject_below=0.9999)
    assert summary.abstention_count == 90 and all(
        row["abstained"] and row["label"] is None for row in rows(tmp_path / "out")
    )


def test_what_a_killed_attempt_answered_is_not_answered_again(exported, photos, tmp_path, capsys):
    listing = tmp_path / "many"
    listing.mkdir()
    image = next(photos.rglob("*.jpg"))
    for number in range(24 * IMAGES_PER_ITEM):
        os.link(image, listing / f"{number:06}.jpg")
    out = tmp_path / "out"
    words = ["predict", str(exported), str(listing), "--out", str(out)]
    with subprocess.Popen([sys.executable, "-m", "striate", *words, "-q"], start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not (out / "part-000000.parquet").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (out / "_summary.json").exists()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert 1 <= len(before) < 3
    assert main([*words, "-q"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["image_count"] == 24 * IMAGES_PER_ITEM
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert [row["source"] for row in rows(out)] == [str(listing / f"{n:06}.jpg") for n in range(24 * IMAGES_PER_ITEM)]
    with pytest.raises(DataError, match="finished already"):
        predict_all(exported, [listing], out, resume=True)


def test_a_damaged_plan_or_another_question_is_not_resumed(exported, photos, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(exported, folder / "_classifier.onnx")
    BatchJob(folder).start(list_work_items([photos]), {"reject_below": None})
    with pytest.raises(DataError, match="begun with another reject_below"):
        predict_all(exported, [photos], folder, resume=True, reject_below=0.5)
    assert predict_all(exported, [], folder, resume=True).image_count == 90
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "_summary.json").unlink()
    (other / "_plan.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="plan of these predictions is damaged"):
        predict_all(exported, [photos], other, resume=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["s3://b/x"], "Try: --out FOLDER"),
        (["a.jpg", "--on", "local"], "Try: --out FOLDER"),
        (["a.jpg", "--out", "o", "--csv", "t.csv"], "--out does not go with --csv"),
        (["a.zip", "--out", "o"], "Only images and shards"),
        (["none*.jpg", "--out", "o"], "No image there"),
        (["a.jpg", "--out", "o", "--resume"], "nothing to resume"),
        (["a.jpg", "--out", "."], "is taken"),
    ],
)
def test_what_cannot_be_meant_is_refused(exported, photos, tmp_path, monkeypatch, capsys, words, said):
    from striate.cli.main import invoke_command

    monkeypatch.chdir(tmp_path)
    shutil.copy(next(photos.rglob("*.jpg")), "a.jpg")
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert invoke_command("predict", "predict", [str(exported), *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "o").exists()
