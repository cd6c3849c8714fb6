"""The table of pretrained backbones: networks of keras.applications whose ImageNet weights are published."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from striate.download import RemoteFile, fetch
from striate.environment import keras_json
from striate.errors import ConfigError, WeightsError
from striate.models.weights_file import refuse_impostors
from striate.progress import SILENT, Progress

Scaling = Literal["unit", "half", "torch", "caffe"]

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue in 0..1, as its networks have been trained with since Torch's."""

CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Of ImageNet's red, green and blue in 0..255, as VGG's authors state it."""

SCALINGS: dict[Scaling, tuple[Any, Any]] = {
    "unit": (1 / 127.5, -1.0),
    "half": (1 / 128.0, -1.0),
    "torch": (
        [1 / (255 * deviation) for deviation in DEVIATION],
        [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
    ),
    "caffe": (1.0, [-mean for mean in CAFFE_MEAN]),
}
"""Scale and offset for red, green, blue in 0..255. Networks of the kind `caffe` were trained on blue, green, red; for
them the first convolution's kernels are turned around when the weights are loaded (see pretrained.py)."""


@dataclass(frozen=True)
class Backbone:
    """A network of keras.applications without its last layer.

    Attributes:
        application: its function's name in keras.applications.
        scaling: how it wants pixels scaled.
        weights: Keras' file of its ImageNet weights.
        options: further arguments of the function.
        ours: whether Striate's own network of that name takes the weights, instead of the application's.
    """

    application: str
    scaling: Scaling
    weights: RemoteFile
    options: dict[str, Any] = field(default_factory=dict)
    ours: bool = False


def weights_folder() -> Path:
    """Returns where Keras keeps downloaded weights: `models` beside keras.json."""
    return keras_json().parent / "models"


def at_hand(names: tuple[str, ...]) -> str | None:
    """Returns the first of `names` (rows of BACKBONES) whose ImageNet weights lie on this machine, or None."""
    folder = weights_folder()
    return next((name for name in names if os.path.isfile(folder / BACKBONES[name].weights.name)), None)  # noqa: PTH113


def backbone_of(name: str) -> Backbone:
    """Returns the backbone of the network called `name`.

    Raises:
        ConfigError: there are no published weights for that network.
    """
    if name not in BACKBONES:
        raise ConfigError(
            "There are no pretrained weights for this network",
            received=name,
            expected="one of " + ", ".join(BACKBONES),
            hint="--pretrained none",
        )
    return BACKBONES[name]


def find_weights(pretrained: str, name: str, *, progress: Progress = SILENT) -> Path:
    """Returns the path of the weights: Keras' own file, downloaded once, for `imagenet`; else the file named.

    Raises:
        DownloadError: it has to be downloaded, and cannot be; the message says which file to put where.
        ConfigError: there are no published weights for the network called `name`.
        WeightsError: the file is not there, or not one of weights.
    """
    if pretrained != "imagenet":
        path = Path(pretrained).expanduser()
        refuse_impostors(path)
        return path
    file = backbone_of(name).weights
    is_new = at_hand((name,)) is None
    path = fetch(
        file,
        weights_folder(),
        progress=progress,
        elsewhere="KERAS_HOME=DIR",
        instead="--pretrained none",
    )
    try:
        refuse_impostors(path)
    except WeightsError:
        if is_new:  # of a file without a published checksum, a login page may have come instead
            path.unlink()
        raise
    return path


def _file(folder: str, name: str, checksum: str | None) -> RemoteFile:
    mirror = f"https://storage.googleapis.com/tensorflow/keras-applications/{folder}/"
    return RemoteFile(name, None, checksum, (mirror,))


def _kernels(stem: str) -> str:
    return f"{stem}_weights_tf_dim_ordering_tf_kernels"


BACKBONES: dict[str, Backbone] = {
    "vgg16": Backbone(
        "VGG16", "caffe", _file("vgg16", f"{_kernels('vgg16')}_notop.h5", "6d6bbae143d832006294945121d1f1fc")
    ),
    "resnet50": Backbone(
        "ResNet50", "caffe", _file("resnet", f"{_kernels('resnet50')}_notop.h5", "4d473c1dd8becc155b73f8504c6f6626")
    ),
    "resnet101": Backbone(
        "ResNet101", "caffe", _file("resnet", f"{_kernels('resnet101')}_notop.h5", "88cf7a10940856eca736dc7b7e228a21")
    ),
    "inception_v3": Backbone(
        "InceptionV3",
        "unit",
        _file("inception_v3", f"{_kernels('inception_v3')}_notop.h5", "bcbd6486424b2319ff4ef7d526e38f63"),
    ),
    "resnet50_v2": Backbone(
        "ResNet50V2", "unit", _file("resnet", f"{_kernels('resnet50v2')}_notop.h5", "fac2f116257151a9d068a22e544a4917")
    ),
    "xception": Backbone(
        "Xception", "unit", _file("xception", f"{_kernels('xception')}_notop.h5", "b0042744bf5b25fce3cb969f33bebb97")
    ),
    "densenet121": Backbone(
        "DenseNet121",
        "torch",
        _file("densenet", f"{_kernels('densenet121')}_notop.h5", "30ee3e1110167f948a6b9946edeeb738"),
    ),
    "mobilenet_v2": Backbone(
        "MobileNetV2", "unit", _file("mobilenet_v2", f"{_kernels('mobilenet_v2')}_1.0_224_no_top.h5", None)
    ),
    "mobilenet_v2_0.35": Backbone(
        "MobileNetV2",
        "unit",
        _file("mobilenet_v2", f"{_kernels('mobilenet_v2')}_0.35_224_no_top.h5", None),
        {"alpha": 0.35},
    ),
    "mobilenet_v3_small": Backbone(
        "MobileNetV3Small",
        "unit",
        _file(
            "mobilenet_v3",
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "d3e8ec802a04aa4fc771ee12a9a9b836",
        ),
        {"include_preprocessing": False},
    ),
    "mobilenet_v3_large": Backbone(
        "MobileNetV3Large",
        "unit",
        _file(
            "mobilenet_v3",
            "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "07fb09a5933dd0c8eaafa16978110389",
        ),
        {"include_preprocessing": False},
    ),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2B0",
        "torch",
        _file("efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"),
        {"include_preprocessing": False},
    ),
    "efficientnet_v2_s": Backbone(
        "EfficientNetV2S",
        "half",
        _file("efficientnet_v2", "efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070"),
        {"include_preprocessing": False},
    ),
    "convnext-tiny": Backbone(
        "ConvNeXtTiny",
        "torch",
        _file(
            "convnext",
            "convnext_tiny_notop.h5",
            "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        ),
        {"include_preprocessing": False},
        ours=True,
    ),
}
"""Name of a row of ARCHITECTURES → its backbone. Addresses, names and checksums are those in Keras 3.15's source; for
MobileNetV2 it states no checksum."""
