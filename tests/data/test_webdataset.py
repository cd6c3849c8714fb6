"""WebDataset shards: images and labels side by side in tar files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError

pytestmark = pytest.mark.fast

FORM = Preprocessing(4, 5, 1)


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (5, 4), value).save(out, "PNG")
    return out.getvalue()


def make(path: Path, members: list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as out:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def samples(numbers: range, folder: str = "") -> list[tuple[str, bytes]]:
    return [
        member
        for number in numbers
        for member in (
            (f"{folder}{number:04}.png", png(number)),
            (f"{folder}{number:04}.cls", str(number % 3 + 9).encode()),
        )
    ]


def test_a_folder_of_shards_is_a_set_with_the_splits_that_their_names_say(tmp_path: Path):
    for shard, numbers in (("train-0", range(6)), ("train-1", range(6, 9)), ("val-0", range(9, 12))):
        make(tmp_path / "wds" / f"{shard}.tar", samples(numbers))
    images = load_images(tmp_path / "wds")
    assert (images.name, images.classes) == ("wds", ("9", "10", "11"))  # as numbers, not as text
    assert images.labels.tolist() == [number % 3 for number in range(12)]
    assert images.splits.tolist() == ["train"] * 9 + ["validation"] * 3
    assert images.keys.tolist()[5:7] == ["train-0/0005", "train-1/0006"]
    decoded = decode_all(images, FORM)
    assert decoded.pixels[:, 0, 0, 0].tolist() == list(range(12))
    assert not decoded.decode_errors


@pytest.mark.parametrize("folder", ["", "./", "a/b/"])
def test_a_single_shard_by_itself_has_no_split(tmp_path: Path, folder: str):
    images = load_images(make(tmp_path / "train-0.tar", samples(range(6), folder)))
    assert (images.name, set(images.splits)) == ("train-0", {""})
    assert [int(images.read(index)[0, 0, 0]) for index in range(6)] == list(range(6))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("a.cls", b" cat\n")], "cat"),
        ([("a.json", json.dumps({"label": "cat", "id": 7}).encode())], "cat"),
        ([("a.json", json.dumps({"cls": 7}).encode())], "7"),
        ([("a.json", b'{"label": 1}'), ("a.cls", b"2")], "2"),
        ([("a.txt", b"a caption"), ("a.cls", b"0"), ("a.seg.png", b"another kind of picture")], "0"),
    ],
)
def test_labels_are_found_where_shards_keep_them(tmp_path: Path, members, expected: str):
    path = make(tmp_path / "s.tar", [("a.png", png(0)), *members, ("b.png", png(1)), ("b.cls", b"other")])
    images = load_images(path)
    assert images.classes[images.labels[0]] == expected
    assert len(images) == 2


def test_a_sample_without_an_image_is_left_out_and_a_broken_one_found_when_it_is_decoded(tmp_path: Path):
    path = make(tmp_path / "s.tar", [("x.cls", b"1"), *samples(range(4)), ("y.png", b"no picture"), ("y.cls", b"9")])
    images = load_images(path)
    assert len(images) == 5
    assert decode_all(images, FORM).decode_errors == {"s/y": "not an image in any known format"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("b.png", png(0))], r"the image b has no label\. Expected: a member b\.cls or \.json"),
        ([("b.png", png(0)), ("b.json", b"{}")], "the image b has no label"),
        ([("b.png", png(0)), ("b.json", b"{")], r"the member b\.json cannot be read"),
        ([("b.png", png(0)), ("b.cls", b"\xff\xfe")], r"the member b\.cls cannot be read"),
        ([("0000.png", png(0)), ("0000.cls", b"1")], r"a sample more than once\. Received: s/0000"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, members, message: str):
    with pytest.raises(DataError, match=message):
        load_images(make(tmp_path / "s.tar", [*samples(range(3)), *members]))


def test_a_cut_shard_is_refused(tmp_path: Path):
    path = make(tmp_path / "s.tar", samples(range(40)))
    data = path.read_bytes()
    for cut in (700, 5000, 12_345, 20_000, 20_480):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError, match=r"damaged or cut off|cannot be unpacked"):
            load_images(path)


def test_a_missing_shard_of_several_is_named(tmp_path: Path):
    for number in (0, 2):
        make(tmp_path / f"train-{number:05}-of-00003.tar", samples(range(3)))
    with pytest.raises(DataError, match=r"1 of the 3 parts .* missing\. Received: train-00001-of-00003\.tar"):
        load_images(tmp_path)


def test_a_tar_of_class_folders_is_an_archive_even_with_text_beside_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    members = [(f"{name}/{number}.png", png(number)) for name in ("cat", "dog") for number in range(4)]
    images = load_images(make(tmp_path / "pets.tar", [*members, ("cat/notes.txt", b"hello")]))
    assert images.classes == ("cat", "dog")
    assert len(images) == 8
    assert np.unique(images.labels).tolist() == [0, 1]
