"""What one prediction takes from Python: exported and in Keras, against bare ONNX Runtime.

    python benchmarks/shipping.py [--rounds N]

`cnn` on 28×28 grayscale images and MobileNetV2 at 128×128, untrained: weights do not change the time. One image at a
time, in turns: ONNX Runtime's own `run`; an exported classifier's `probabilities`, and its `predict`, which decodes,
ranks and names besides; Keras' `predict`; and a classifier's `predict` with Keras below. Ratios are within a round.
Start-up: a process that imports, loads the file and predictions one PNG, from its start to its end.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from evidence import publish, spread
from PIL import Image

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.exporters.formats import EXPORT_FORMATS
from striate.exporters.verification import export_and_verify
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import set_seed

NETWORKS = {"cnn": Preprocessing(28, 28, 1), "mobilenet_v2": Preprocessing(128, 128, 3)}
GOALS = {"cnn": {"over_bare": 1.3, "times_faster_than_keras": 10}, "mobilenet_v2": {"over_bare": 1.3}}
START_UP = 1.5  # seconds
CALLS, SLOW_CALLS = 30, 1  # in a round; of Keras' predict, which takes long
REST = 0.1  # seconds between two ways: the threads of ONNX Runtime and of TensorFlow go on spinning after a prediction
STARTS = 9


def milliseconds(call: Callable[[], Any], calls: int) -> float:
    """Returns what one call takes, the mean of several."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return 1000 * (time.perf_counter() - start) / calls


def measured(name: str, form: Preprocessing, folder: Path, rounds: int) -> dict[str, Any]:
    """Returns one model's times and ratios."""
    set_seed(0)
    classifier = Classifier(build_model(ARCHITECTURES[name], form.shape, 10), [str(digit) for digit in range(10)], form)
    pixels = np.random.default_rng(0).integers(0, 256, (20, *form.shape), np.uint8)
    path = folder / f"{name}.onnx"
    export_and_verify(classifier, EXPORT_FORMATS["onnx"], path, pixels)
    light = Classifier.load(path)
    bare = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    one, image = pixels[:1], pixels[0]
    ways: dict[str, Callable[[], Any]] = {
        "onnxruntime": lambda: bare.run(None, {"pictures": one}),
        "exported_probabilities": lambda: light.predict_probabilities(one),
        "exported_predict": lambda: light.predict(image),
        "keras_predict": lambda: classifier.model.predict(one, verbose=0),
        "classifier_predict": lambda: classifier.predict(image),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        milliseconds(call, 3)
    for _ in range(rounds):
        for way, call in ways.items():
            time.sleep(REST)
            call()
            times[way].append(milliseconds(call, SLOW_CALLS if way == "keras_predict" else CALLS))

    def ratios(of: str, over: str) -> dict[str, float]:
        return spread([a / b for a, b in zip(times[of], times[over], strict=True)])

    return {
        "ms": {way: spread(values, 4) for way, values in times.items()},
        "over_bare": {way: ratios(way, "onnxruntime") for way in ("exported_probabilities", "exported_predict")},
        "times_faster_than_keras": ratios("keras_predict", "exported_predict"),
    }


def start_up(path: Path) -> dict[str, float]:
    """Returns the seconds of whole processes that answer one image."""
    image = path.with_suffix(".png")
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(held, "PNG")
    image.write_bytes(held.getvalue())
    found = []
    for _ in range(STARTS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "striate", "predict", path, image], stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - start)
    return spread(found[1:])  # the first one reads everything from the disk


def missed(results: dict[str, Any], started: dict[str, float]) -> list[str]:
    """Returns the goals that are not reached."""
    found = [] if started["median"] <= START_UP else ["start_up_s"]
    for name, goals in GOALS.items():
        own = results[name]
        found += [f"{name}, {way}" for way, ratio in own["over_bare"].items() if ratio["median"] > goals["over_bare"]]
        if own["times_faster_than_keras"]["median"] < goals.get("times_faster_than_keras", 0):
            found.append(f"{name}, times_faster_than_keras")
    return found


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=45)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {name: measured(name, form, Path(folder), asked.rounds) for name, form in NETWORKS.items()}
        started = start_up(Path(folder) / "cnn.onnx")
    short = missed(results, started)
    publish(
        {
            "benchmark": "shipping",
            "goal": {**GOALS, "start_up_s": START_UP},
            "missed": short,
            "rounds": asked.rounds,
            "results": results,
            "start_up_s": started,
            "onnxruntime": onnxruntime.__version__,
        }
    )
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
