"""What Grad-CAM costs beside a forward pass, and whether its heat lies on the animal.

    python benchmarks/grad_cam.py FOLDER WEIGHTS [--rounds N]

FOLDER is cats_dogs; WEIGHTS an HDF5 file of MobileNetV2's ImageNet weights. Cost: 100 images answered by the model
as `predict` does it, and explained, in turns, after one round of each that compiles; random pixels will do. Heat: a
last layer is trained on a resting MobileNetV2, and of 400 test images the fraction of the heat in the half of the
image around its centre is taken, where photographers put their animals; even heat has 0.5. The control is the same
model with weights drawn anew, asked about the same classes. Covering: a quarter of each image's area, where there
is most heat or where there is least, is painted over with the image's mean color, and the classifier is asked again
(after Petsiuk, Das and Saenko 2018, RISE, arXiv:1806.07421, section 3.2: deletion); with the heat of the control, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from evidence import publish, spread
from scipy.ndimage import gaussian_filter

from striate.classifier import Classifier
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.explain.attribution import Attribution, Attributor
from striate.models.architecture import build_model
from striate.models.predictor import CompiledPredictor
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed
from striate.workflows.train import train

PICTURES, SHOWN = 100, 400
SMOOTH = 6  # pixels that heat is blurred by before places are chosen, so that these are regions
NETWORKS: dict[str, tuple[int, Literal[1, 3]]] = {
    "lenet": (28, 1),
    "cnn": (28, 1),
    "resnet20": (32, 3),
    "mobilenet_v2": (128, 3),
}
"""Model → the images' side and channels."""


def cost(name: str, rounds: int) -> dict[str, Any]:
    """Returns the milliseconds of both, and the ratio of each round."""
    side, channels = NETWORKS[name]
    form = Preprocessing(side, side, channels)
    model = build_model(ARCHITECTURES[name], form.shape, 10)
    look, prediction = (
        Attributor(Classifier(model, [str(n) for n in range(10)], form)),
        CompiledPredictor(model).get_predict_function(),
    )
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, *form.shape)).astype(np.uint8)
    classes = np.zeros(PICTURES, np.intp)
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        prediction(pixels)
        predicted = time.perf_counter()
        look(pixels, classes)
        seconds.append((predicted - began, time.perf_counter() - predicted))
    kept = seconds[1:]
    return {
        "layer": look.layer,
        "forward_ms": spread([1000 * one for one, _ in kept]),
        "grad_cam_ms": spread([1000 * two for _, two in kept]),
        "ratio": spread([two / one for one, two in kept]),
    }


def heat(folder: Path, weights: Path) -> dict[str, Any]:
    """Returns the central share for the trained model and for one that has learned nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        run = train(
            str(folder),
            recipe="default",
            pretrained=str(weights),
            height=160,
            width=160,
            allow_leaks=True,
            runs=scratch,
        )
        classifier, accuracy = run.classifier, run.report.accuracy
    images = load_images(folder)
    test = np.flatnonzero(images.splits == "test")
    some = np.random.default_rng(0).permutation(test)[:SHOWN]
    pixels = np.stack([classifier.preprocessing(images.read(int(index))) for index in some])
    found = Attributor(classifier)(pixels)
    set_seed(1)
    fresh = Classifier(keras.models.clone_model(classifier.model), classifier.classes, classifier.preprocessing)
    control = Attributor(fresh)(pixels, found.target_classes)
    fractions = {"trained": found.compute_central_fractions(), "random_weights": control.compute_central_fractions()}
    return {
        "accuracy": accuracy,
        "pictures": SHOWN,
        "layer": found.layer,
        **{
            name: {
                "mean": float(np.nanmean(one)),
                "standard_error": _error(one),
                "without_heat": int(np.isnan(one).sum()),
            }
            for name, one in fractions.items()
        },
        "covering": {
            "trained": covering(classifier, pixels, found),
            "random_weights": covering(classifier, pixels, control),
        },
    }


def covering(classifier: Classifier, pixels: np.ndarray, found: Attribution) -> dict[str, float]:
    """Returns the mean probability of the class asked about, and the fraction of other predictions, once a quarter of
    each image is covered: the hottest, or the coldest.
    """
    rows, said = np.arange(len(pixels)), found.target_classes
    heat = gaussian_filter(found.heatmaps, (0, SMOOTH, SMOOTH)).reshape(len(pixels), -1)
    order, count = np.argsort(heat, axis=1), heat.shape[1] // 4
    means = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    told = {"before": float(classifier.predict_probabilities(pixels)[rows, said].mean())}
    for name, places in (("hottest", order[:, -count:]), ("coldest", order[:, :count])):
        covered = pixels.reshape(len(pixels), -1, pixels.shape[-1]).copy()
        covered[rows[:, None], places] = means[:, 0]
        fractions = classifier.predict_probabilities(covered.reshape(pixels.shape))
        told[name] = float(fractions[rows, said].mean())
        told[f"changed_{name}"] = float(np.mean(fractions.argmax(axis=1) != said))
    return told


def _error(shares: np.ndarray) -> float:
    known = shares[~np.isnan(shares)]
    return float(known.std(ddof=1) / len(known) ** 0.5)


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    results = {
        "cost": {name: cost(name, options.rounds) for name in NETWORKS},
        "heat": heat(options.folder, options.weights),
    }
    publish({"benchmark": "grad_cam", "goal": {"ratio": 4}, "pictures": PICTURES, "results": results})


if __name__ == "__main__":
    main()
