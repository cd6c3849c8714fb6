"""Faults, planted through the images or the settings of a training, and trainings without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.image_set import SPLIT_NAMES, ImageSet
from striate.data.splits import Splits
from striate.models.architecture import Architecture, import_keras

Pixels = NDArray[np.uint8]


@dataclass
class Pictures:
    """Images and labels by split, to be tampered with.

    Attributes:
        classes: names in label order.
        pixels: split → (n, h, w, c).
        labels: split → (n,).
        kind: what they show, for augmentation.
        rng: what is drawn from.
    """

    classes: tuple[str, ...]
    pixels: dict[str, Pixels]
    labels: dict[str, NDArray[np.int64]]
    kind: Any
    rng: np.random.Generator

    def splits(self) -> Splits:
        """Returns them as the product takes them."""
        return Splits(
            *(
                ImageSet(
                    name="planted",
                    classes=self.classes,
                    labels=self.labels[part].astype(np.int32),
                    keys=np.array([f"{part}/{i}" for i in range(len(self.labels[part]))]),
                    sources=self.pixels[part],
                    splits=np.full(len(self.labels[part]), part),
                    kind=self.kind,
                )
                for part in SPLIT_NAMES
            )
        )

    def keep(self, part: str, chosen: NDArray[Any]) -> None:
        """Keeps some images of a split."""
        self.pixels[part], self.labels[part] = self.pixels[part][chosen], self.labels[part][chosen]


@dataclass(frozen=True)
class Plant:
    """One fault, or none.

    Attributes:
        accepted: the kinds that name it; empty for a healthy training.
        what: how it is planted, for people.
        sets: data sets to plant it in, in turns over the seeds.
        sizes: images to train on, to choose by, to measure on.
        tamper: changes the images.
        settings: of the training.
    """

    accepted: tuple[str, ...]
    what: str
    sets: tuple[str, ...] = ("mnist", "fashion_mnist", "digits")
    sizes: tuple[int, int, int] = (1200, 400, 500)
    tamper: Callable[[Pictures], None] = lambda pictures: None
    settings: dict[str, Any] = field(default_factory=dict)


def shuffled(share: float, *parts: str) -> Callable[[Pictures], None]:
    """Gives a fraction of the images the labels of each other."""

    def tamper(pictures: Pictures) -> None:
        for part in parts or SPLIT_NAMES:
            labels = pictures.labels[part]
            chosen = np.flatnonzero(pictures.rng.random(len(labels)) < share)
            labels[chosen] = pictures.rng.permutation(labels[chosen])

    return tamper


def dark(*parts: str) -> Callable[[Pictures], None]:
    """Turns 0..255 into 0..1, as when images that were divided already are made uint8."""

    def tamper(pictures: Pictures) -> None:
        for part in parts:
            pictures.pixels[part] = (pictures.pixels[part] > 127).astype(np.uint8)

    return tamper


def inverted(pictures: Pictures) -> None:
    """Makes the test images negatives."""
    pictures.pixels["test"] = 255 - pictures.pixels["test"]


def noisy(pictures: Pictures) -> None:
    """Takes the test images with a bad sensor."""
    found = pictures.pixels["test"]
    pictures.pixels["test"] = np.clip(found + pictures.rng.normal(0, 90, found.shape), 0, 255).astype(np.uint8)


def leaking(pictures: Pictures) -> None:
    """Copies 40 % of the test images into training."""
    chosen = pictures.rng.permutation(len(pictures.labels["test"]))[: int(0.4 * len(pictures.labels["test"]))]
    for held in (pictures.pixels, pictures.labels):
        held["train"] = np.concatenate([held["train"], held["test"][chosen]])


def skewed(pictures: Pictures) -> None:
    """Leaves half of the classes a hundredth of their images, in every split."""
    for part in SPLIT_NAMES:
        keep = np.ones(len(pictures.labels[part]), bool)
        for label in range(len(pictures.classes) // 2):
            of_class = np.flatnonzero(pictures.labels[part] == label)
            keep[of_class[max(2, len(of_class) // 100) :]] = False
        pictures.keep(part, keep)


def few(number: int, part: str) -> Callable[[Pictures], None]:
    """Leaves a split so many images, each class one at least in training."""

    def tamper(pictures: Pictures) -> None:
        labels = pictures.labels[part]
        first = np.unique(labels, return_index=True)[1] if part == "train" else np.empty(0, int)
        rest = np.setdiff1d(np.arange(len(labels)), first)
        pictures.keep(part, np.concatenate([first, rest])[:number])

    return tamper


def _network(name: str, build: Callable[..., Any]) -> Architecture:
    return Architecture(name, build, name, "the benchmark", 2026, "benchmarks/plants.py", "planted")


def _tiny(shape: Any, classes: int, dropout: float, seed: int) -> Any:
    """Two filters and their means: hardly anything gets through."""
    keras, layers = import_keras()
    images = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(2, 3, padding="same", activation="tanh", name="features")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x))


def _hidden(activation: str = "relu", **options: Any) -> Callable[..., Any]:
    def build(shape: Any, classes: int, dropout: float, seed: int) -> Any:
        keras, layers = import_keras()
        images = keras.Input(shape)
        x = layers.Flatten()(layers.Rescaling(1 / 255)(images))
        x = layers.Dense(128, activation=activation, name="features", **options)(x)
        x = layers.Dense(64, activation=activation, name="embedding", **options)(x)
        return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits", **options)(x))

    return build


def _unscaled(shape: Any, classes: int, dropout: float, seed: int) -> Any:
    """The model forgets to divide by 255."""
    keras, layers = import_keras()
    images = keras.Input(shape)
    x = layers.Flatten()(layers.Rescaling(1.0)(images))
    x = layers.Dense(64, activation="relu", name="features")(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x))


def _pooled(shape: Any, classes: int, dropout: float, seed: int) -> Any:
    """Hardly any arithmetic: means of squares, and two dense layers."""
    keras, layers = import_keras()
    images = keras.Input(shape)
    x = layers.AveragePooling2D(8)(layers.Rescaling(1 / 255)(images))
    x = layers.Dense(64, activation="relu", name="features")(layers.Flatten()(x))
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x))


POOLED = _network("planted-pooled", _pooled)


def _mute(shape: Any, classes: int, dropout: float, seed: int) -> Any:
    """Class 3 has the mean of the other logits, which is never the highest."""
    keras, layers = import_keras()
    images = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, activation="relu", name="conv")(layers.Rescaling(1 / 255)(images))
    x = layers.Conv2D(32, 3, strides=2, activation="relu", name="features")(x)
    x = layers.Dense(64, activation="relu", name="embedding")(layers.Flatten()(x))
    x = layers.Dense(classes - 1, name="free")(x)
    kernel = np.insert(np.eye(classes - 1), 3, 1 / (classes - 1), axis=1).tolist()
    fixed = {"class_name": "Constant", "config": {"value": kernel}}
    last = layers.Dense(classes, use_bias=False, kernel_initializer=fixed, dtype="float32", name="logits")
    last.trainable = False
    return keras.Model(images, last(x))


MUTE = _network("planted-mute", _mute)
TINY = _network("planted-tiny", _tiny)
LOW = {"class_name": "Constant", "config": {"value": -100.0}}
DEAD = _network("planted-dead", _hidden(bias_initializer=LOW))
SATURATED = _network("planted-saturated", _hidden("sigmoid", bias_initializer=LOW))
HUGE = _network(
    "planted-huge", _hidden(kernel_initializer={"class_name": "RandomNormal", "config": {"stddev": 1e13, "seed": 0}})
)
UNSCALED = _network("planted-unscaled", _unscaled)

PLAIN = {"architecture": "cnn-small", "augment": "none", "precision": "float32"}
SHORT = {**PLAIN, "epochs": 12}

PLANTS: dict[str, Plant] = {
    "200 images, 50 epochs": Plant(
        ("overfitting",),
        "200 training images, recipe classic (no dropout, nothing changed about them), 50 epochs",
        ("mnist", "fashion_mnist"),
        tamper=few(200, "train"),
        settings={"architecture": "cnn", "recipe": "classic", "epochs": 50, "augment": "none"},
    ),
    "rate of 10": Plant(("learning_rate_too_high",), "--lr 10", settings={**SHORT, "learning_rate": 10.0}),
    "rate of 10, SGD": Plant(
        ("learning_rate_too_high",),
        "SGD with --lr 10",
        settings={**SHORT, "optimizer": "sgd", "learning_rate": 10.0},
    ),
    "rate of 1e-6": Plant(("learning_rate_too_low",), "--lr 1e-6", settings={**SHORT, "learning_rate": 1e-6}),
    "40 % of labels shuffled": Plant(
        ("label_noise",), "40 % of all labels exchanged", tamper=shuffled(0.4), settings=SHORT
    ),
    "40 % of training labels shuffled": Plant(
        ("label_noise",),
        "40 % of the training labels exchanged, the others right",
        tamper=shuffled(0.4, "train"),
        settings=SHORT,
    ),
    "all labels shuffled": Plant(("label_noise",), "all labels exchanged", tamper=shuffled(1.0), settings=SHORT),
    "test not normalize alike": Plant(
        ("wrong_normalization",), "test images in 0..1 instead of 0..255", tamper=dark("test"), settings=SHORT
    ),
    "all in 0..1": Plant(
        ("wrong_normalization",),
        "all images in 0..1 instead of 0..255",
        ("mnist", "fashion_mnist"),
        tamper=dark(*SPLIT_NAMES),
        settings=SHORT,
    ),
    "not divided by 255": Plant(
        ("wrong_normalization",),
        "a model of one's own that is given 0..255",
        settings={**SHORT, "architecture": UNSCALED},
    ),
    "test inverted": Plant(("mismatch",), "test images are negatives", tamper=inverted, settings=SHORT),
    "test noisy": Plant(("mismatch",), "test images with noise of deviation 90", tamper=noisy, settings=SHORT),
    "leak": Plant(
        ("leak",),
        "40 % of the test images are among those of training, --allow-leaks",
        tamper=leaking,
        settings={**SHORT, "allow_leaks": True},
    ),
    "imbalance 100:1": Plant(
        ("imbalance",),
        "half of the classes have a hundredth of the images",
        ("mnist", "fashion_mnist"),
        sizes=(2000, 600, 600),
        tamper=skewed,
        settings=SHORT,
    ),
    "a class without a say": Plant(
        ("class_collapse",),
        "a model of one's own whose last layer gives one class the mean of the other classes' logits",
        ("mnist", "fashion_mnist"),
        settings={**SHORT, "architecture": MUTE},
    ),
    "one epoch": Plant(
        ("stopped_too_early",),
        "--epochs 1",
        ("fashion_mnist", "digits"),
        settings={**PLAIN, "epochs": 1},
    ),
    "two filters": Plant(
        ("underfitting",),
        "a model of two filters and their means",
        settings={**SHORT, "epochs": 25, "architecture": TINY, "learning_rate": 1e-2},
    ),
    "overflow": Plant(
        ("not_finite",), "initial weights of deviation 1e13: NaN", settings={**SHORT, "architecture": HUGE}
    ),
    "dead ReLUs": Plant(("dead_relus",), "initial biases of -100", settings={**SHORT, "architecture": DEAD}),
    "saturated": Plant(
        ("one_class",), "a layer of sigmoids with initial biases of -100", settings={**SHORT, "architecture": SATURATED}
    ),
    "10 to choose by": Plant(
        ("small_validation",),
        "10 validation images, recipe default",
        ("mnist",),
        sizes=(3000, 500, 500),
        tamper=few(10, "validation"),
        settings={"epochs": 8},
    ),
    "slow images": Plant(
        ("input_bound",),
        "a model of hardly any arithmetic on images of 128×128 that are rotated, sheared, zoomed and cut out",
        ("mnist",),
        sizes=(5000, 500, 500),
        settings={
            **PLAIN,
            "architecture": POOLED,
            "height": 128,
            "width": 128,
            "epochs": 6,
            "learning_rate": 3e-3,
            "augment": "rotate=5,shear=3,zoom=0.05,cutout=0.1",
        },
    ),
}
"""Name → the fault and how it is planted."""

HEALTHY: dict[str, Plant] = {
    "digits, default": Plant((), "recipe default", ("digits",), settings={"epochs": 30}),
    "digits, mlp": Plant(
        (), "mlp, recipe classic", ("digits",), settings={"architecture": "mlp", "recipe": "classic", "epochs": 12}
    ),
    "digits, lenet": Plant((), "lenet", ("digits",), settings={"architecture": "lenet", "epochs": 25}),
    "mnist, default": Plant((), "recipe default", ("mnist",), (3000, 500, 500), settings={"epochs": 8}),
    "mnist, classic": Plant(
        (), "recipe classic", ("mnist",), (3000, 500, 500), settings={"recipe": "classic", "epochs": 6}
    ),
    "mnist, fast-digits": Plant(
        (), "recipe fast-digits", ("mnist",), (6000, 500, 500), settings={"recipe": "fast-digits"}
    ),
    "mnist, sgd": Plant(
        (),
        "cnn-small, SGD at 0.05",
        ("mnist",),
        (3000, 500, 500),
        settings={"architecture": "cnn-small", "optimizer": "sgd", "learning_rate": 0.05, "epochs": 10},
    ),
    "clothes, default": Plant((), "recipe default", ("fashion_mnist",), (4000, 600, 600), settings={"epochs": 12}),
    "clothes, fast-clothes": Plant(
        (),
        "recipe fast-clothes",
        ("fashion_mnist",),
        (6000, 600, 600),
        settings={"recipe": "fast-clothes", "epochs": 6},
    ),
    "clothes, dropout": Plant(
        (),
        "cnn-small, dropout 0.5",
        ("fashion_mnist",),
        (4000, 600, 600),
        settings={"architecture": "cnn-small", "dropout": 0.5, "epochs": 12},
    ),
    "cats and dogs, pretrained": Plant(
        (),
        "mobilenet-v2 with ImageNet's weights, the last layer taught",
        ("cats_dogs_96",),
        (1600, 400, 400),
        settings={"pretrained": "WEIGHTS", "epochs": 8},
    ),
}
"""Trainings in which nothing is wrong."""


def with_seed(plant: Plant, seed: int) -> dict[str, Any]:
    """Returns the training's settings."""
    return {**plant.settings, "seed": seed}


def set_of(plant: Plant, seed: int) -> str:
    """Returns the data set that a seed is planted in."""
    return plant.sets[seed % len(plant.sets)]
