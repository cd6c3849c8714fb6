"""The named data sets: the real files where they are at hand, small archives of the same form elsewhere."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from striate.data.loaders import builtin
from striate.data.loaders.builtin import DATASETS, load_builtin, resolve_data_folder
from striate.data.loaders.load import load_images
from striate.errors import DataError, DownloadError
from striate.system.download import RemoteFile

pytestmark = pytest.mark.fast


def test_the_digits_are_built_in(tmp_path: Path):
    images = load_builtin("digits", tmp_path / "never made")
    assert len(images) == 1797
    assert images.classes == tuple("0123456789")
    assert images.kind == "digits"
    assert images.read(0).shape == (8, 8, 1)
    assert (images.sources.min(), images.sources.max()) == (0, 255)
    assert set(images.splits.tolist()) == {""}
    assert not (tmp_path / "never made").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_two_mnists_have_their_well_known_numbers(test_data: Path, name: str):
    images = load_images(name, data_dir=test_data)
    assert images.sources.shape == (70_000, 28, 28, 1)
    assert images.splits.tolist() == ["train"] * 60_000 + ["test"] * 10_000
    assert len(images.classes) == 10
    training = np.bincount(images.labels[:60_000]).tolist()
    assert np.bincount(images.labels[60_000:]).sum() == 10_000
    if name == "mnist":
        assert training == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert images.labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert round(float(images.sources[:60_000].mean()) / 255, 4) == 0.1307
    else:
        assert training == [6000] * 10
        assert images.kind == "clothes"
        assert images.classes[images.labels[0]] == "Ankle boot"


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"cifar/{name}.bin")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def put(monkeypatch: pytest.MonkeyPatch, root: Path, name: str, *contents: bytes) -> None:
    """Makes `name` the same data set over other files, which lie in their place already."""
    row = DATASETS[name]
    (root / name).mkdir()
    files = []
    for file, content in zip(row.files, contents, strict=True):
        (root / name / file.name).write_bytes(content)
        files.append(RemoteFile(file.name, len(content), hashlib.md5(content).hexdigest(), ()))
    monkeypatch.setitem(builtin.DATASETS, name, dataclasses.replace(row, files=tuple(files)))


def test_idx_files_are_read_with_training_and_test_images_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 256, (12, 3, 5)), rng.integers(0, 256, (4, 3, 5))
    labels = np.arange(12) % 10
    put(monkeypatch, tmp_path, "mnist", *map(idx, (train, labels, test, labels[:4])))
    images = load_builtin("mnist", tmp_path)
    np.testing.assert_array_equal(images.sources[..., 0], np.concatenate([train, test]))
    assert images.labels.tolist() == [*labels, *labels[:4]]
    assert images.splits.tolist() == ["train"] * 12 + ["test"] * 4


def test_a_file_that_is_not_idx_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(monkeypatch, tmp_path, "mnist", *[gzip.compress(b"\0\0\x0d\x01 floats")] * 4)
    with pytest.raises(DataError, match="is not an IDX file of bytes"):
        load_builtin("mnist", tmp_path)


def cifar_records(label_bytes: int, labels: list[int]) -> tuple[bytes, np.ndarray]:
    """Records as the archive has them (planes of red, green and blue), and the same images as arrays."""
    pixels = np.random.default_rng(labels).integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    coarse = [b"\x13"] * (label_bytes - 1)  # CIFAR-100 puts one of 20 superclasses first
    rows = (
        b"".join([*coarse, bytes([label]), image.transpose(2, 0, 1).tobytes()])
        for label, image in zip(labels, pixels, strict=True)
    )
    return b"".join(rows), pixels


def test_cifar_10_is_read_from_its_five_batches_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    batches = [cifar_records(1, [number, 9 - number]) for number in range(5)]
    test, test_pixels = cifar_records(1, [7])
    members = {f"data_batch_{number}": batches[number - 1][0] for number in (3, 1, 2, 5, 4)}
    put(monkeypatch, tmp_path, "cifar10", archive(test_batch=test, **members))
    images = load_builtin("cifar10", tmp_path)
    assert images.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5, 7]
    np.testing.assert_array_equal(images.sources, np.concatenate([*(pixels for _, pixels in batches), test_pixels]))
    assert images.splits.tolist() == ["train"] * 10 + ["test"]
    assert images.classes[images.labels[-1]] == "horse"
    assert images.kind == "photos"


def test_cifar_100_is_read_by_its_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train, pixels = cifar_records(2, [0, 99, 42])
    test, _ = cifar_records(2, [1])
    put(monkeypatch, tmp_path, "cifar100", archive(train=train, test=test, fine_label_names=b"x"))
    images = load_builtin("cifar100", tmp_path)
    assert [images.classes[label] for label in images.labels] == ["apple", "worm", "leopard", "aquarium_fish"]
    np.testing.assert_array_equal(images.sources[:3], pixels)


def test_every_row_of_the_table_is_whole():
    for name, row in DATASETS.items():
        assert name == row.name
        assert len(set(row.classes)) == len(row.classes) == {"cifar100": 100}.get(name, 10)
        for file in row.files:
            assert len(bytes.fromhex(file.checksum)) == 16
            assert file.size > 0
            assert len(file.mirrors) >= 2
            assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in file.mirrors)


def test_the_sizes_and_checksums_of_the_table_are_those_of_the_real_files(test_data: Path):
    for name in ("mnist", "fashion_mnist"):
        for file in DATASETS[name].files:
            data = (test_data / name / file.name).read_bytes()
            assert (len(data), hashlib.md5(data).hexdigest()) == (file.size, file.checksum)


def test_the_data_folder_is_the_argument_then_the_variable_then_the_cache(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("STRIATE_DATA_DIR", str(tmp_path / "variable"))
    assert resolve_data_folder(tmp_path) == tmp_path
    assert resolve_data_folder() == tmp_path / "variable"
    monkeypatch.delenv("STRIATE_DATA_DIR")
    assert resolve_data_folder().parts[-1] == "data"
    assert "striate" in resolve_data_folder().parts


def test_a_damaged_file_of_a_named_set_is_refused_and_not_read(tmp_path: Path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / DATASETS["mnist"].files[0].name).write_bytes(b"half")
    with pytest.raises(DownloadError, match="is not the published file"):
        load_images("mnist", data_dir=tmp_path)
