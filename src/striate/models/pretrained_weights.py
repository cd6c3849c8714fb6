"""The table of pretrained backbones: models of keras.applications whose ImageNet weights are published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from striate.errors import ConfigError, WeightsError
from striate.progress import NO_PROGRESS, Progress
from striate.system.backend_choice import get_keras_config_path
from striate.system.download import RemoteFile, download_file

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_TENSORS = 20_000  # tensors; the largest of keras.applications has under 3,000

WRONG_FILE_SIGNATURES = (
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched", "git lfs pull"),
    (b"<", "a web page saved under the name of the weights", "download the file itself"),
    (b"PK\x03\x04", "a zip archive, as .keras files are", "an .h5 file of keras.applications"),
)


def require_hdf5_file(path: Path) -> None:
    """Raises WeightsError unless the file is there and begins as HDF5 does."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsError(
            f"The weights cannot be read: {error.strerror}", received=path, expected="imagenet, none, or an .h5 file"
        ) from None
    if head.startswith(HDF5_SIGNATURE):
        return
    for start, what, remedy in WRONG_FILE_SIGNATURES:
        if head.lstrip().startswith(start):
            raise WeightsError(f"This is {what}", received=path, expected="an HDF5 file of weights", hint=remedy)
    raise WeightsError(
        "This is not a file of weights",
        received=f"{path}, which begins with {head[:8]!r}" if head else f"{path}, which is empty",
        expected="an HDF5 file of weights, as keras.applications downloads them",
    )


@contextmanager
def open_weights(path: Path) -> Iterator[list[tuple[str, Any]]]:
    """Yields (name, tensor not yet read) for every weight in the file, in the order of the layers.

    Raises:
        WeightsError: not such a file, damaged, or reaching outside itself.
    """
    import h5py

    require_hdf5_file(path)
    try:
        with h5py.File(path, "r") as file:
            is_whole = file.get("model_weights", getlink=True) is not None  # a model saved with more than weights
            yield _list_tensors(_resolve_member(file, "model_weights", path) if is_whole else file, path)
    except (OSError, RuntimeError) as error:  # h5py's words for a damaged file, when it is opened or when it is read
        raise WeightsError(f"The weights are damaged: {error}", received=path) from error


def _list_tensors(root: Any, path: Path) -> list[tuple[str, Any]]:
    import h5py

    if not isinstance(root, h5py.Group) or "layer_names" not in root.attrs:
        raise WeightsError(
            "The weights are in another layout than keras.applications' files",
            received=f"{path} with {', '.join(map(str, list(root)[:4])) or 'nothing'} at its root",
            expected="the .h5 file itself, or one saved from such a model in Keras' legacy format",
        )
    found: list[tuple[str, Any]] = []
    try:
        for layer in _decode_names(root.attrs["layer_names"], path):
            group = _resolve_member(root, layer, path)
            found += [
                (name, _get_dataset(group, name, path)) for name in _decode_names(group.attrs["weight_names"], path)
            ]
            if len(found) > MAX_TENSORS:
                raise WeightsError("The weights hold more tensors than any model", received=path)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"The weights lack what their table of contents names: {error}", received=path) from None
    return found


def _decode_names(attribute: Any, path: Path) -> list[str]:
    names = np.asarray(attribute).ravel()
    if len(names) > MAX_TENSORS:
        raise WeightsError("The weights hold more tensors than any model", received=path)
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]


def _get_dataset(group: Any, name: str, path: Path) -> Any:
    """Returns the numbers of that name, stored in the file itself."""
    import h5py

    node = _resolve_member(group, name, path)
    if not isinstance(node, h5py.Dataset) or node.shape is None or node.dtype.kind not in "fiu":
        raise WeightsError("The weights are not numbers", received=f"{path}: {name}")
    if node.external or node.is_virtual:
        raise WeightsError("The weights point outside their file", received=f"{path}: {name}")
    return node


def _resolve_member(group: Any, name: str, path: Path) -> Any:
    """Returns the group or tensor of that name, reached through plain links only."""
    import h5py

    node = group
    for part in name.split("/"):
        link = node.get(part, getlink=True)
        if link is None:
            raise ValueError(f"{name} is not there")
        if not isinstance(link, h5py.HardLink):
            raise WeightsError("The weights point outside their file", received=f"{path}: {name}")
        node = node[part]
    return node


PixelScaling = Literal["unit", "half", "torch", "caffe"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue in 0..1, as its models have been trained with since Torch's."""

CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Of ImageNet's red, green and blue in 0..255, as VGG's authors state it."""

SCALINGS: dict[PixelScaling, tuple[Any, Any]] = {
    "unit": (1 / 127.5, -1.0),
    "half": (1 / 128.0, -1.0),
    "torch": (
        [1 / (255 * deviation) for deviation in IMAGENET_STD],
        [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)],
    ),
    "caffe": (1.0, [-mean for mean in CAFFE_MEAN]),
}
"""Scale and offset for red, green, blue in 0..255. Models of the kind `caffe` were trained on blue, green, red; for
them the first convolution's kernels are turned around when the weights are loaded (see pretrained.py)."""


@dataclass(frozen=True)
class Backbone:
    """A model of keras.applications without its last layer.

    Attributes:
        application: its function's name in keras.applications.
        scaling: how it wants pixels scaled.
        weights_file: Keras' file of its ImageNet weights.
        options: further arguments of the function.
        has_own_architecture: whether Striate's own model of that name takes the weights, not the application's.
    """

    application: str
    scaling: PixelScaling
    weights_file: RemoteFile
    options: dict[str, Any] = field(default_factory=dict)
    has_own_architecture: bool = False


def get_weights_folder() -> Path:
    """Returns where Keras keeps downloaded weights: `models` beside keras.json."""
    return get_keras_config_path().parent / "models"


def find_cached_backbone(names: tuple[str, ...]) -> str | None:
    """Returns the first of `names` (rows of BACKBONES) whose ImageNet weights lie on this machine, or None."""
    folder = get_weights_folder()
    return next((name for name in names if os.path.isfile(folder / BACKBONES[name].weights_file.name)), None)  # noqa: PTH113


def get_backbone(name: str) -> Backbone:
    """Returns the backbone of the model called `name`.

    Raises:
        ConfigError: there are no published weights for that model.
    """
    if name not in BACKBONES:
        raise ConfigError(
            "There are no pretrained weights for this model",
            received=name,
            expected="one of " + ", ".join(BACKBONES),
            hint="--pretrained none",
        )
    return BACKBONES[name]


def fetch_weights(weights: str, name: str, *, progress: Progress = NO_PROGRESS) -> Path:
    """Returns the path of the weights: Keras' own file, downloaded once, for `imagenet`; else the file named.

    Raises:
        DownloadError: it has to be downloaded, and cannot be; the message says which file to put where.
        ConfigError: there are no published weights for the model called `name`.
        WeightsError: the file is not there, or not one of weights.
    """
    if weights != "imagenet":
        path = Path(weights).expanduser()
        require_hdf5_file(path)
        return path
    file = get_backbone(name).weights_file
    is_new = find_cached_backbone((name,)) is None
    path = download_file(
        file,
        get_weights_folder(),
        progress=progress,
        folder_hint="KERAS_HOME=DIR",
        alternative_hint="--pretrained none",
    )
    try:
        require_hdf5_file(path)
    except WeightsError:
        if is_new:  # of a file without a published checksum, a login page may have come instead
            path.unlink()
        raise
    return path


def _create_remote_file(folder: str, name: str, checksum: str | None) -> RemoteFile:
    mirror = f"https://storage.googleapis.com/tensorflow/keras-applications/{folder}/"
    return RemoteFile(name, None, checksum, (mirror,))


def _format_kernels_name(prefix: str) -> str:
    return f"{prefix}_weights_tf_dim_ordering_tf_kernels"


BACKBONES: dict[str, Backbone] = {
    "vgg16": Backbone(
        "VGG16",
        "caffe",
        _create_remote_file("vgg16", f"{_format_kernels_name('vgg16')}_notop.h5", "6d6bbae143d832006294945121d1f1fc"),
    ),
    "resnet50": Backbone(
        "ResNet50",
        "caffe",
        _create_remote_file(
            "resnet", f"{_format_kernels_name('resnet50')}_notop.h5", "4d473c1dd8becc155b73f8504c6f6626"
        ),
    ),
    "resnet101": Backbone(
        "ResNet101",
        "caffe",
        _create_remote_file(
            "resnet", f"{_format_kernels_name('resnet101')}_notop.h5", "88cf7a10940856eca736dc7b7e228a21"
        ),
    ),
    "inception_v3": Backbone(
        "InceptionV3",
        "unit",
        _create_remote_file(
            "inception_v3", f"{_format_kernels_name('inception_v3')}_notop.h5", "bcbd6486424b2319ff4ef7d526e38f63"
        ),
    ),
    "resnet50_v2": Backbone(
        "ResNet50V2",
        "unit",
        _create_remote_file(
            "resnet", f"{_format_kernels_name('resnet50v2')}_notop.h5", "fac2f116257151a9d068a22e544a4917"
        ),
    ),
    "xception": Backbone(
        "Xception",
        "unit",
        _create_remote_file(
            "xception", f"{_format_kernels_name('xception')}_notop.h5", "b0042744bf5b25fce3cb969f33bebb97"
        ),
    ),
    "densenet121": Backbone(
        "DenseNet121",
        "torch",
        _create_remote_file(
            "densenet", f"{_format_kernels_name('densenet121')}_notop.h5", "30ee3e1110167f948a6b9946edeeb738"
        ),
    ),
    "mobilenet_v2": Backbone(
        "MobileNetV2",
        "unit",
        _create_remote_file("mobilenet_v2", f"{_format_kernels_name('mobilenet_v2')}_1.0_224_no_top.h5", None),
    ),
    "mobilenet_v2_0.35": Backbone(
        "MobileNetV2",
        "unit",
        _create_remote_file("mobilenet_v2", f"{_format_kernels_name('mobilenet_v2')}_0.35_224_no_top.h5", None),
        {"alpha": 0.35},
    ),
    "mobilenet_v3_small": Backbone(
        "MobileNetV3Small",
        "unit",
        _create_remote_file(
            "mobilenet_v3",
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "d3e8ec802a04aa4fc771ee12a9a9b836",
        ),
        {"include_preprocessing": False},
    ),
    "mobilenet_v3_large": Backbone(
        "MobileNetV3Large",
        "unit",
        _create_remote_file(
            "mobilenet_v3",
            "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "07fb09a5933dd0c8eaafa16978110389",
        ),
        {"include_preprocessing": False},
    ),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2B0",
        "torch",
        _create_remote_file("efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"),
        {"include_preprocessing": False},
    ),
    "efficientnet_v2_s": Backbone(
        "EfficientNetV2S",
        "half",
        _create_remote_file("efficientnet_v2", "efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070"),
        {"include_preprocessing": False},
    ),
    "convnext-tiny": Backbone(
        "ConvNeXtTiny",
        "torch",
        _create_remote_file(
            "convnext",
            "convnext_tiny_notop.h5",
            "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        ),
        {"include_preprocessing": False},
        has_own_architecture=True,
    ),
}
"""Name of a row of ARCHITECTURES → its backbone. Addresses, names and checksums are those in Keras 3.15's source; for
MobileNetV2 it states no checksum."""
