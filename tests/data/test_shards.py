"""Sets in shards: written, read again, on disk and in a bucket; and what is wrong with them told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from striate.data.image_set import ImageSet
from striate.data.loaders.load import load_images
from striate.data.loaders.object_store import download_shards, resolve_shard_path
from striate.data.shards import write_shards
from striate.errors import DataError
from striate.system.checksums import find_damaged_files
from striate.system.object_store import list_objects

pytestmark = pytest.mark.fast

FORMS = ("parquet", "webdataset")


@pytest.fixture(scope="module")
def images(photos) -> ImageSet:
    return load_images(photos)


def same(found: ImageSet, images: ImageSet) -> None:
    assert found.classes == images.classes and found.kind == images.kind
    assert found.labels.tolist() == images.labels.tolist()
    assert [found.sources[i] for i in range(len(found))] == [path.read_bytes() for path in images.sources]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_was_written_in_several_shards(images, tmp_path, form):
    manifest = write_shards(images, tmp_path / "out", shard_format=form, shard_bytes=40_000)
    assert len(manifest.shards) > 2 and manifest.image_count == len(images) == 90
    same(load_images(tmp_path / "out"), images)
    assert find_damaged_files(tmp_path / "out") == []
    assert not [path for path in tmp_path.iterdir() if path.name != "out"]


@pytest.mark.parametrize("form", FORMS)
def test_pixels_splits_kind_and_the_order_of_classes_come_back(tmp_path, form):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 9, 7, 3), np.uint8)
    given = np.array((["train"] * 4 + ["test"]) * 6, "U10")
    images = ImageSet(
        "three", ("z", "a", "10"), np.arange(30, dtype=np.int32) % 3, np.arange(30).astype(np.str_), pixels, given,
        kind="clothes",
    )  # fmt: skip
    write_shards(images, tmp_path / "out", shard_format=form)
    found = load_images(tmp_path / "out")
    assert (found.classes, found.kind, found.name) == (("z", "a", "10"), "clothes", "three")
    order = np.concatenate([np.flatnonzero(given == split) for split in ("test", "train")])  # as files are sorted
    assert found.splits.tolist() == given[order].tolist()
    assert found.labels.tolist() == images.labels[order].tolist()
    assert all((found.read(at) == pixels[row]).all() for at, row in enumerate(order))


@pytest.mark.parametrize("form", FORMS)
def test_an_image_that_cannot_be_read_stays_one_image(images, photos, tmp_path, form):
    copy = tmp_path / "photos"
    shutil.copytree(photos, copy)
    (copy / "across" / "across 0.jpg").write_bytes(b"")
    write_shards(load_images(copy), tmp_path / "out", shard_format=form)
    found = load_images(tmp_path / "out")
    assert len(found) == 90
    with pytest.raises(DataError):
        found.read(0)


@pytest.mark.heavy
def test_the_parquet_layout_is_the_one_that_hugging_face_reads(images, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    write_shards(images, tmp_path / "out")
    files = sorted(map(str, (tmp_path / "out").glob("*.parquet")))
    found = datasets.Dataset.from_parquet(files, cache_dir=str(tmp_path / "cache"))
    assert found.features["label"].names == list(images.classes)
    assert found[31]["image"].size == images.read(31).shape[1::-1]


def test_a_shard_that_is_missing_or_cut_is_told(images, tmp_path):
    manifest = write_shards(images, tmp_path / "out", shard_format="webdataset", shard_bytes=40_000)
    last = tmp_path / "out" / manifest.shards[-1].file
    content = last.read_bytes()
    last.write_bytes(content[:-512])
    with pytest.raises(DataError, match=r"is not the one in the manifest\. Received: [\d,]+ bytes"):
        load_images(tmp_path / "out")
    last.unlink()
    with pytest.raises(DataError, match=r"is missing"):
        load_images(tmp_path / "out")


def test_a_place_that_is_taken_is_not_written_to(images, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="taken"):
        write_shards(images, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.heavy
@pytest.mark.parametrize("form", FORMS)
def test_a_bucket_holds_them_as_a_folder_does(images, store, form):
    address = f"s3://pictures/set-{form}"
    manifest = write_shards(images, address, shard_format=form, shard_bytes=40_000)
    assert len(list_objects(address)) == len(manifest.shards) + 1
    same(load_images(address), images)
    with pytest.raises(DataError, match="taken"):
        write_shards(images, address)


@pytest.mark.heavy
def test_what_was_fetched_is_not_fetched_again_until_it_changes(images, store, monkeypatch):
    address = "s3://pictures/kept"
    manifest = write_shards(images, address, shard_bytes=40_000)
    folder = download_shards(address)
    shard = folder / manifest.shards[0].file
    before = shard.stat().st_mtime_ns
    assert download_shards(address) == folder and shard.stat().st_mtime_ns == before
    shard.write_bytes(shard.read_bytes()[:-1])  # cut here: fetched again
    assert download_shards(address) == folder and shard.stat().st_size == manifest.shards[0].bytes
    name = f"pictures/kept/{manifest.shards[0].file}"
    data = bytearray(store.cat_file(name))
    data[100] ^= 1
    store.pipe_file(name, bytes(data))  # changed there: not the one that the manifest lists
    with pytest.raises(DataError, match="its checksum is another"):
        download_shards(address)
    store.rm("pictures/kept", recursive=True)
    write_shards(images.subset(np.arange(10)), address)
    assert len(load_images(address)) == 10  # shards that are no longer there are gone here, too


def test_a_bucket_of_loose_images_or_of_nothing_says_what_to_do(store):
    store.pipe_file("pictures/loose/cats/1.jpg", b"picture")
    with pytest.raises(DataError, match=r"No shards there.*Try: striate data FOLDER --shard OUT"):
        load_images("s3://pictures/loose")
    with pytest.raises(DataError, match="Nothing in the store"):
        load_images("s3://pictures/nowhere")
    with pytest.raises(DataError, match=r"no bucket|nothing of that name|Nothing in the store"):
        load_images("s3://another-bucket/x")


def test_a_store_that_cannot_be_reached_is_one_clear_error(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("fsspec.spec._Cached.__call__", lambda kind, *words, **named: type.__call__(kind, *words))
    with pytest.raises(DataError, match="The store cannot be used"):
        load_images("s3://pictures/elsewhere")


def test_a_foreign_manifest_is_no_obstacle_and_a_newer_one_is(images, tmp_path):
    write_shards(images, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "format": 3}, indent=2))
    with pytest.raises(DataError, match="newer Striate"):
        load_images(tmp_path / "out")
    path.write_text('{"files": []}')
    assert len(load_images(tmp_path / "out")) == 90


@pytest.mark.heavy
def test_a_training_finds_its_bucket_again(images, store, tmp_path):
    from striate.workflows.prepare_data import lasting

    assert lasting("s3://pictures/set") == "s3://pictures/set"


@pytest.mark.parametrize("name", ["../x.parquet", "a/../../x.tar", "/etc/x.tar", "a//x.tar", "./x.tar", "a\\..\\x.tar"])
def test_an_object_whose_name_leads_elsewhere_is_refused(name):
    with pytest.raises(DataError, match="no file can have"):
        resolve_shard_path(f"s3://bucket/prefix/{name}", "s3://bucket/prefix")


def test_a_bucket_with_such_an_object_writes_nothing_outside_its_cache(images, store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_shards(images, tmp_path / "out")
    content = next((tmp_path / "out").glob("*.parquet")).read_bytes()
    store.pipe_file("pictures/hostile/good.parquet", content)
    store.pipe_file("pictures/hostile/../../../../evil.parquet", content)
    with pytest.raises(DataError, match="no file can have"):
        load_images("s3://pictures/hostile")
    assert not list(tmp_path.rglob("evil.parquet"))
