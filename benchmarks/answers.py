"""Prediction: one image beside the bare model and Keras' `predict`; a folder beside what its two parts allow.

    python benchmarks/answers.py DATA [--rounds N]

DATA holds cats_dogs/test_set. One image is an array of the model's own size, answered from Python; its peers are
the model as a traced TensorFlow function, handed the same array, and Keras' `model.predict`. Of a folder, three
speeds are taken in turns: decoding all its images without a model; the model alone, all its images decoded; and
`classifier.predict` from files to answers. `reached` is its fraction of the smaller of the two. They share the
machine's cores, though: where each alone fills them, both together leave 1/(1/decoding + 1/network), and `of_both` is
the share of that. Models have random weights; speed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from evidence import publish, spread

from striate.classifier import Classifier
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import set_seed

ONE = {"cnn-small": (28, 28, 1), "cnn": (28, 28, 1), "resnet20": (32, 32, 3)}
"""Model → shape of the one image."""

FOLDER = {"cnn-small": (64, 64, 3), "resnet20": (64, 64, 3), "mobilenet_v2": (128, 128, 3)}
"""Model → shape to which a folder's images are decoded."""

CALLS = {"striate": 100, "bare": 100, "keras": 10}
"""Whose predictions → how many make a round."""


def made(name: str, shape: tuple[int, int, int]) -> Classifier:
    """Returns an untrained classifier of two classes, or ten for grayscale images."""
    set_seed(0)
    classes = ("cats", "dogs") if shape[2] == 3 else tuple("0123456789")
    model = build_model(ARCHITECTURES[name], shape, len(classes))
    return Classifier(model, classes, Preprocessing(*shape[:2], 3 if shape[2] == 3 else 1), architecture=name)


def in_turns(ways: dict[str, Callable[[], Any]], calls: dict[str, int], rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of one call of each way in every round but the first, which traces."""
    found: dict[str, list[float]] = {side: [] for side in ways}
    for number in range(rounds + 1):
        for side, way in ways.items():
            began = time.perf_counter()
            for _ in range(calls[side]):
                way()
            if number:
                found[side].append((time.perf_counter() - began) / calls[side])
    return found


def one_picture(name: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """Returns milliseconds a prediction."""
    classifier = made(name, shape)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    model = tf.function(lambda pictures: classifier.model(pictures, training=False))
    ways: dict[str, Callable[[], Any]] = {
        "striate": lambda: classifier.predict(image),
        "bare": lambda: model(tf.constant(image[None])).numpy(),
        "keras": lambda: classifier.model.predict(image[None], verbose=0),
    }
    found = {side: [1000 * one for one in seconds] for side, seconds in in_turns(ways, CALLS, rounds).items()}
    ratios = [own / bare for own, bare in zip(found["striate"], found["bare"], strict=True)]
    return {
        "milliseconds": {side: round(statistics.median(values), 3) for side, values in found.items()},
        "times_the_bare_network": spread(ratios),
    }


def folder(name: str, shape: tuple[int, int, int], path: Path, rounds: int) -> dict[str, Any]:
    """Returns images a second."""
    classifier, images = made(name, shape), load_images(path)
    files = [images.get_source(index) for index in range(len(images))]
    pixels = decode_all(images, classifier.preprocessing).pixels
    ways: dict[str, Callable[[], Any]] = {
        "decoding": lambda: decode_all(images, classifier.preprocessing),
        "network": lambda: classifier.predict_probabilities(pixels),
        "striate": lambda: list(classifier.predict(files)),
    }
    seconds = in_turns(ways, dict.fromkeys(ways, 1), rounds)
    found = {side: [len(files) / one for one in values] for side, values in seconds.items()}
    pairs = list(zip(found["decoding"], found["network"], found["striate"], strict=True))
    return {
        "pictures": len(files),
        "images_per_second": {side: round(statistics.median(values)) for side, values in found.items()},
        "reached": spread([own / min(decoding, model) for decoding, model, own in pairs]),
        "of_both": spread([own * (1 / decoding + 1 / model) for decoding, model, own in pairs]),
    }


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    document: dict[str, Any] = {"benchmark": "answers", "rounds": options.rounds, "one": {}, "folder": {}}
    for name, shape in ONE.items():
        document["one"][name] = one_picture(name, shape, options.rounds)
        print(json.dumps({name: document["one"][name]}), file=sys.stderr, flush=True)
    for name, shape in FOLDER.items():
        document["folder"][name] = folder(name, shape, options.data / "cats_dogs" / "test_set", options.rounds)
        print(json.dumps({name: document["folder"][name]}), file=sys.stderr, flush=True)
    publish(document)


if __name__ == "__main__":
    main()
