"""The named data sets: one row each in DATASETS."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.data.image_set import ImageKind, ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.errors import DataError
from striate.progress import NO_PROGRESS, Progress
from striate.system.download import RemoteFile, download_file

LabeledArrays = tuple[NDArray[np.uint8], NDArray[np.integer]]
"""Pixels (n, h, w) or (n, h, w, 3) and label numbers (n,)."""


@dataclass(frozen=True)
class BuiltinDataset:
    """A public data set.

    Attributes:
        name: what users type.
        title: for people.
        source: who published it.
        classes: class names in label order.
        kind: what the images show.
        files: what has to be on disk.
        read_files: the files' paths, in order → train and test images (test is None when the set has no split).
    """

    name: str
    title: str
    source: str
    classes: tuple[str, ...]
    kind: ImageKind
    files: tuple[RemoteFile, ...]
    read_files: Callable[[Sequence[Path]], tuple[LabeledArrays, LabeledArrays | None]]


def load_builtin(name: str, data_dir: Path | None = None, *, progress: Progress = NO_PROGRESS) -> ImageSet:
    """Returns the named data set, downloading it on first use.

    Args:
        name: a row of DATASETS.
        data_dir: the folder that holds (or will hold) one folder per data set; see `resolve_data_folder`.
        progress: told the bytes received.

    Raises:
        DownloadError: a file is missing and cannot be fetched; the message says which file to put where.
    """
    row = DATASETS[name]
    folder = resolve_data_folder(data_dir) / row.name
    paths = [download_file(file, folder, progress=progress) for file in row.files]
    (pixels, labels), test = row.read_files(paths)
    images = from_arrays(pixels, labels, classes=row.classes, name=row.name, test=test)
    return replace(images, kind=row.kind)


def resolve_data_folder(data_dir: Path | None = None) -> Path:
    """Returns where named sets lie: `data_dir`, else STRIATE_DATA_DIR, else the user's cache folder."""
    if data_dir is not None:
        return data_dir
    if configured := os.environ.get("STRIATE_DATA_DIR"):
        return Path(configured).expanduser()
    return platformdirs.user_cache_path("striate") / "data"


def _read_digits(paths: Sequence[Path]) -> tuple[LabeledArrays, None]:
    """Returns scikit-learn's own 1,797 digits, their 0..16 stretched to 0..255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return ((bunch.images * (255 / 16)).round().astype(np.uint8), bunch.target), None


def _read_idx_files(paths: Sequence[Path]) -> tuple[LabeledArrays, LabeledArrays]:
    """Reads four gzipped IDX files: train images, train labels, test images, test labels."""
    train_pixels, train_labels, test_pixels, test_labels = (_read_idx_array(path) for path in paths)
    return (train_pixels, train_labels), (test_pixels, test_labels)


def _read_idx_array(path: Path) -> NDArray[np.uint8]:
    """Returns the array in a gzipped IDX file of unsigned bytes (the format stands on MNIST's page)."""
    with gzip.open(path) as file:
        data = file.read()
    if data[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is not an IDX file of bytes", received=data[:4].hex())
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def _read_cifar(
    paths: Sequence[Path], *, label_bytes: int, train_files: tuple[str, ...]
) -> tuple[LabeledArrays, LabeledArrays]:
    """Reads CIFAR's binary archive: records of label bytes (the last one counts) and 3×32×32 pixels."""
    with tarfile.open(paths[0]) as archive:
        members = {Path(member.name).name: member for member in archive if member.isfile()}

        def read_records(name: str) -> NDArray[np.uint8]:
            handle = archive.extractfile(members[name])
            assert handle is not None  # noqa: S101  (only None for what is not a file)
            return np.frombuffer(handle.read(), np.uint8).reshape(-1, label_bytes + 3072)

        parts = (
            np.concatenate([read_records(name) for name in train_files]),
            read_records("test_batch.bin" if label_bytes == 1 else "test.bin"),
        )
    one, two = (
        (
            np.ascontiguousarray(part[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
            part[:, label_bytes - 1].astype(np.int32),
        )
        for part in parts
    )
    return one, two


def _read_cifar10(paths: Sequence[Path]) -> tuple[LabeledArrays, LabeledArrays]:
    return _read_cifar(paths, label_bytes=1, train_files=tuple(f"data_batch_{i}.bin" for i in range(1, 6)))


def _read_cifar100(paths: Sequence[Path]) -> tuple[LabeledArrays, LabeledArrays]:
    return _read_cifar(paths, label_bytes=2, train_files=("train.bin",))


def _build_idx_downloads(mirrors: tuple[str, ...], *rows: tuple[int, str]) -> tuple[RemoteFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(RemoteFile(f"{name}-ubyte.gz", *row, mirrors) for name, row in zip(names, rows, strict=True))


_CIFAR_MIRRORS = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")

_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

DATASETS: dict[str, BuiltinDataset] = {
    row.name: row
    for row in (
        BuiltinDataset(
            name="digits",
            title="1,797 handwritten digits, 8×8 grayscale; built in, no download",
            source="Alpaydin and Kaynak (1998), in scikit-learn",
            classes=tuple("0123456789"),
            kind="digits",
            files=(),
            read_files=_read_digits,
        ),
        BuiltinDataset(
            name="mnist",
            title="70,000 handwritten digits, 28×28 grayscale",
            source="LeCun, Cortes and Burges (1998)",
            classes=tuple("0123456789"),
            kind="digits",
            files=_build_idx_downloads(
                (
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ),
                (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
                (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
                (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
            ),
            read_files=_read_idx_files,
        ),
        BuiltinDataset(
            name="fashion_mnist",
            title="70,000 articles of clothing, 28×28 grayscale",
            source="Xiao, Rasul and Vollgraf (2017)",
            classes=_FASHION_CLASSES,
            kind="clothes",
            files=_build_idx_downloads(
                (
                    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
                ),
                (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
                (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
                (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
            ),
            read_files=_read_idx_files,
        ),
        BuiltinDataset(
            name="cifar10",
            title="60,000 photographs of ten kinds of thing, 32×32 color",
            source="Krizhevsky (2009)",
            classes=_CIFAR10_CLASSES,
            kind="photos",
            files=(
                RemoteFile("cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530", _CIFAR_MIRRORS),
            ),
            read_files=_read_cifar10,
        ),
        BuiltinDataset(
            name="cifar100",
            title="60,000 photographs of a hundred kinds of thing, 32×32 color",
            source="Krizhevsky (2009)",
            classes=tuple(_CIFAR100_CLASSES.split()),
            kind="photos",
            files=(
                RemoteFile("cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8", _CIFAR_MIRRORS),
            ),
            read_files=_read_cifar100,
        ),
    )
}
