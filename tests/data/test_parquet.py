"""Parquet tables: what they may look like, what is wrong with them, and the way from one to a run."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from striate.cli import main
from striate.data.contact_sheet import sample_class_images
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.data.splits import load_splits, save_splits, split_stratified
from striate.data_checks.image_stats import scan_images
from striate.errors import DataError, ImageDecodeError
from striate.training.auto_config import plan, preprocessing_of
from striate.training.recipe import Recipe

pytestmark = pytest.mark.fast

NAMES = ("bright", "dark")


def drawn(count: int, *, seed: int = 0, kind: str = "PNG", side: int = 12) -> tuple[list[bytes], list[int]]:
    """Returns encoded images, bright and dark ones in turn, and their labels."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        pixels = rng.integers(0, 100, (side, side, 3)) + (150, 0)[number % 2]
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, kind, **({"quality": 60} if kind == "JPEG" else {}))
        found.append(stream.getvalue())
    return found, [number % 2 for number in range(count)]


def structs(pictures: list[bytes | None], paths: list[str | None] | None = None) -> pa.Array:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = paths or [None] * len(pictures)
    return pa.array([{"bytes": b, "path": p} for b, p in zip(pictures, paths, strict=True)], kind)


def write(file: Path, names: tuple[str, ...] | None = NAMES, /, **columns: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file, row_group_size=7)
    return file


def bright_and_dark(path: Path, count: int = 30, **more: object) -> Path:
    images, labels = drawn(count)
    return write(path, image=structs(images), label=labels, **more)


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_images(path)
    return str(caught.value)


def test_a_table_gives_its_images_labels_and_class_names(tmp_path: Path):
    images = load_images(bright_and_dark(tmp_path / "lamps.parquet"))
    pictures, labels = drawn(30)
    assert (images.name, images.classes, images.count_by_class()) == ("lamps", NAMES, {"bright": 15, "dark": 15})
    assert images.labels.tolist() == labels
    assert images.keys[[0, 29]].tolist() == ["lamps/0", "lamps/29"]
    assert images.splits.tolist() == [""] * 30
    assert [images.get_source(index) for index in range(30)] == pictures
    assert np.array_equal(images.read(17), np.asarray(Image.open(io.BytesIO(pictures[17]))))
    assert preprocessing_of(plan(Recipe(architecture="mlp"), images)).shape == (12, 12, 3)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), None], ids=str)
def test_bytes_may_stand_in_the_column_itself(tmp_path: Path, kind: pa.DataType | None):
    pictures, labels = drawn(10)
    column = pa.array(pictures, kind) if kind else pa.array(pictures).dictionary_encode()
    images = load_images(write(tmp_path / "t.parquet", img=column, label=labels))
    assert [images.get_source(index) for index in range(10)] == pictures


def test_a_table_may_name_files_beside_it(tmp_path: Path):
    pictures, labels = drawn(4)
    (tmp_path / "files").mkdir()
    paths = [f"files/{number}.png" for number in range(4)]
    for path, data in zip(paths, pictures, strict=True):
        (tmp_path / path).write_bytes(data)
    for column in ({"path": paths}, {"image": structs([None] * 4, list(paths))}):
        images = load_images(write(tmp_path / "t.parquet", label=labels, **column))
        assert images.sources == [tmp_path / path for path in paths]
        assert images.read(2).shape == (12, 12, 3)
    (tmp_path / "files/1.png").unlink()
    assert "1 of the 4 images" in message(tmp_path / "t.parquet")
    assert "more than once" in message(write(tmp_path / "t.parquet", label=labels, path=[paths[0], *paths[:3]]))


@pytest.mark.parametrize(
    ("labels", "names", "classes"),
    [
        ([10, 9, 10, 9], None, ("9", "10")),
        (["owl", "cat", "owl", "cat"], None, ("cat", "owl")),
        (["owl", "cat", "owl", "cat"], ("unused", "names"), ("cat", "owl")),
        ([3, 1, 3, 1], ("a", "b", "c", "d"), ("b", "d")),
        ([True, False, True, False], None, ("false", "true")),
        (pa.array(["owl", "cat", "owl", "cat"]).dictionary_encode(), None, ("cat", "owl")),
    ],
)
def test_labels_may_be_numbers_or_text_with_or_without_names(tmp_path: Path, labels, names, classes):
    images = load_images(write(tmp_path / "t.parquet", names, image=structs(list(drawn(4)[0])), label=labels))
    assert images.classes == classes
    assert images.labels.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("metadata", ["", "{", "[]", '{"info": {"features": null}}', '{"info": {"features": {}}}'])
def test_metadata_without_class_names_leaves_the_numbers_as_names(tmp_path: Path, metadata: str):
    table = pa.table({"image": structs(list(drawn(4)[0])), "label": [0, 1, 0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), tmp_path / "t.parquet")
    assert load_images(tmp_path / "t.parquet").classes == ("0", "1")


@pytest.mark.parametrize(
    ("files", "keys"),
    [
        (("train.parquet", "test.parquet"), ("test/0", "train/0")),
        (("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"), None),
        (("train/0000.parquet", "test/0000.parquet"), ("test/0000/0", "train/0000/0")),
        (("plain_text/train.parquet", "plain_text/test.parquet"), None),
    ],
)
def test_a_folder_of_tables_brings_its_splits(tmp_path: Path, files: tuple[str, str], keys: tuple[str, str] | None):
    root = tmp_path / "lamps"
    bright_and_dark(root / files[0], 30)
    bright_and_dark(root / files[1], 6)
    images = load_images(root)
    assert images.name == "lamps"
    assert images.splits.tolist() == ["test"] * 6 + ["train"] * 30
    assert len(set(images.keys.tolist())) == 36
    if keys:
        assert images.keys[[0, 6]].tolist() == list(keys)
    assert load_images(root / files[1]).splits.tolist() == [""] * 6


def test_shards_are_read_together_and_a_missing_one_is_named(tmp_path: Path):
    for number in range(3):
        bright_and_dark(tmp_path / f"train-{number:05}-of-00003.parquet", 10)
    assert load_images(tmp_path).keys[25] == "train-00002-of-00003/5"
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    assert "1 of the 3 parts" in message(tmp_path)
    assert "train-00001-of-00003.parquet" in message(tmp_path)


def test_a_split_column_says_the_split(tmp_path: Path):
    words = ["train", "Validation", "test", None, "val", "", "training", "testing", "train", "train"]
    images = load_images(bright_and_dark(tmp_path / "t.parquet", 10, split=words))
    expected = ["train", "validation", "test", "", "validation", "", "train", "test", "train", "train"]
    assert images.splits.tolist() == expected
    assert "unknown split. Received: holdout" in message(
        bright_and_dark(tmp_path / "t.parquet", 2, split=["train", "holdout"])
    )


def test_an_index_beside_class_folders_does_not_hide_them(tmp_path: Path, photos: Path):
    for folder in photos.iterdir():
        shutil.copytree(folder, tmp_path / folder.name)
    write(tmp_path / "index.parquet", None, anything=[1])
    assert load_images(tmp_path).classes == ("across", "slanting", "upright")


def test_subsets_share_the_bytes_and_the_fingerprint_tells_contents_apart(tmp_path: Path):
    path = bright_and_dark(tmp_path / "t.parquet")
    images = load_images(path)
    assert images.compute_fingerprint() == load_images(path).compute_fingerprint()
    some = images.subset([20, 3])
    assert [some.get_source(0), some.get_source(1)] == [images.get_source(20), images.get_source(3)]
    assert some.sources.buffers is images.sources.buffers
    assert len(images.subset([])) == 0
    assert list(images.sources[3:5]) == [images.get_source(3), images.get_source(4)]
    pictures, labels = drawn(30)
    swapped = [pictures[2], pictures[1], pictures[0], *pictures[3:]]
    other = load_images(write(path, image=structs(list(swapped)), label=labels))
    assert other.compute_fingerprint() != images.compute_fingerprint()


def test_a_null_image_is_broken_and_the_others_are_not(tmp_path: Path):
    pictures, labels = drawn(20)
    cells: list[dict[str, bytes] | None] = [{"bytes": data} for data in pictures]
    cells[7], cells[11] = None, {"bytes": None}
    cells[13] = {"bytes": b""}
    images = load_images(write(tmp_path / "t.parquet", image=cells, label=labels))
    broken = {"t/7": "no image in this row (null)", "t/11": "no image in this row (null)"}
    broken["t/13"] = "empty file (0 bytes)"
    assert scan_images(images).decode_errors == broken
    with pytest.raises(ImageDecodeError, match="no image in this row"):
        images.get_source(7)
    decoded = decode_all(images, Preprocessing(12, 12, 3))
    assert decoded.decode_errors == broken
    assert np.array_equal(decoded.pixels[7], images.read(8))
    assert len(sample_class_images(images, 1, 20)) == 7


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is an empty file (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"path,label\na.jpg,cat\n", "is not a Parquet table"),
        (b"PAR1" + bytes(40) + b"PAR1", "is a damaged Parquet table"),
    ],
)
def test_a_file_that_is_no_table_is_told_apart(tmp_path: Path, content: bytes, told: str):
    (tmp_path / "t.parquet").write_bytes(content)
    assert told in message(tmp_path / "t.parquet")


def test_a_truncated_or_damaged_table_is_told_apart(tmp_path: Path):
    path = bright_and_dark(tmp_path / "t.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is cut off" in message(path)
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    assert "is a damaged Parquet table" in message(path)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"image": [b"x"], "lable": [0]}, "no column 'label'. Received: image, lable. Expected: label"),
        ({"image": [b"x"], "lable": [0]}, "Try: rename the column 'lable'"),
        ({"pixels": [b"x"], "label": [0]}, "no column 'image'. Received: pixels, label"),
        ({"image_url": ["https://a.org/b.jpg"], "label": [0]}, "holds addresses of images, not the images"),
        ({"image": ["https://a.org/b.jpg"], "label": [0]}, "Received: https://a.org/b.jpg"),
        ({"image": structs([None], ["http://a.org/b.jpg"]), "label": [0]}, "holds addresses of images"),
        ({"image": structs([None]), "label": [0]}, "row 0: there is no image and no path"),
        ({"image": [[[0, 255]]], "label": [0]}, "does not hold encoded images. Received: list<"),
        ({"image": [{"height": 3}], "label": [0]}, "does not hold encoded images. Received: struct<height"),
        ({"image": [b"x"] * 3, "label": [0, None, None]}, "2 of 3 labels are missing (null). Received: row 1"),
        ({"image": [b"x"] * 3, "label": [0, 1, -1]}, "1 of 3 labels are negative"),
        ({"image": [b"x"] * 3, "label": [0, 1, 2]}, "labels that have no name. Received: 2 in row 2"),
        ({"image": [b"x"] * 3, "label": ["a", "", "b"]}, "row 1: the label is empty"),
        ({"image": [b"x"] * 3, "label": [0.0, 1.0, 2.0]}, "does not hold classes. Received: double"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "has no rows"),
        ({"image": [b"x"], "label": [0], "split": [1]}, "the column split does not hold text. Received: int64"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, columns: dict[str, object], told: str):
    assert told in message(write(tmp_path / "t.parquet", **columns))


def test_tables_that_do_not_go_together_are_refused(tmp_path: Path):
    bright_and_dark(tmp_path / "train.parquet")
    images, labels = drawn(4)
    write(tmp_path / "test.parquet", ("dark", "bright"), image=structs(list(images)), label=labels)
    assert "name their classes differently. Received: bright, dark. Expected: dark, bright" in message(tmp_path)
    (tmp_path / "1.png").write_bytes(images[0])
    write(tmp_path / "test.parquet", path=["1.png"], label=[0])
    assert "hold images, and others name files" in message(tmp_path)


def test_without_pyarrow_the_line_that_installs_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = bright_and_dark(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "Try: pip install 'striate[parquet]'." in message(path)


def test_the_split_of_a_table_is_saved_and_found_again(tmp_path: Path):
    images = load_images(bright_and_dark(tmp_path / "t.parquet"))
    parts = split_stratified(images)
    save_splits(parts, tmp_path / "split.csv")
    for before, after in zip(parts, load_splits(images, tmp_path / "split.csv"), strict=True):
        assert before.compute_fingerprint() == after.compute_fingerprint()


@pytest.mark.heavy
@pytest.mark.backend
def test_a_table_is_trained_on_and_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 80), ("test", 20)):
        images, labels = drawn(count, seed=count, kind="JPEG")
        cells: list[bytes | None] = list(images)
        cells[3] = None if name == "train" else cells[3]
        write(tmp_path / "lamps" / f"{name}.parquet", image=structs(cells), label=labels)
    words = ["--arch", "mlp", "--epochs", "2", "--name", "lamps", "--json"]
    assert main(["train", "lamps", *words]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["classes"], said["test"]["n"]) == (["bright", "dark"], 20)
    assert [finding["kind"] for finding in said["findings"]] == ["broken", "lossy"]
    run = tmp_path / "runs" / "lamps"
    assert "train/3,no image in this row (null)" in (run / "broken.csv").read_text()
    assert "12×12 JPEG copies of quality about 60" in (run / "report.html").read_text()
    assert "test/0" in (run / "predictions.csv").read_text()
    assert main(["evaluate", "lamps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["accuracy"] == said["test"]["accuracy"]


@pytest.mark.heavy
def test_a_bad_table_ends_a_command_with_one_message_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = bright_and_dark(tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    assert main(["data", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "is cut off" in said
    assert "\n" not in said


def test_cifar10_as_it_is_published_in_parquet(test_data: Path):
    images = load_images(test_data / "cifar10_jpeg")
    assert {name: int((images.splits == name).sum()) for name in ("train", "test")} == {"train": 50_000, "test": 10_000}
    assert set(images.count_by_class().values()) == {6_000}
    assert images.classes[:2] == ("airplane", "automobile")
    assert images.keys[images.splits == "train"][17] == "train/17"
    assert preprocessing_of(plan(Recipe(architecture="mlp"), images)).shape == (32, 32, 3)
    some = images.subset(np.arange(0, 60_000, 600))
    assert decode_all(some, Preprocessing(32, 32, 3)).pixels.std() > 50


def test_names_that_are_not_utf_8_make_a_damaged_table(tmp_path: Path):
    table = bright_and_dark(tmp_path / "a.parquet")
    data = table.read_bytes()
    for name in (b"bytes", b"label"):
        table.write_bytes(data.replace(name, name[:3] + b"\xfa" + name[4:]))
        with pytest.raises(DataError, match=r"damaged|no column"):
            load_images(table)


def test_a_column_that_would_fill_the_memory_is_mapped_from_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from striate.data.loaders import parquet

    table = bright_and_dark(tmp_path / "a.parquet", 60)
    before = load_images(table)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(parquet, "measure_memory", lambda: 1000)
    monkeypatch.setattr(parquet, "ROWS_PER_BATCH", 16)
    after = load_images(table)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]
    assert after.compute_fingerprint() == before.compute_fingerprint()
    assert [after.get_source(index) for index in range(60)] == [before.get_source(index) for index in range(60)]
    assert pa.total_allocated_bytes() < 100_000
