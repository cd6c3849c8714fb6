"""How long the report of 10,000 test images takes to make, and how large the page is.

    python benchmarks/report.py DATA [--rounds N]

DATA holds fashion_mnist and cats_dogs. The images are real: the 10,000 test images of Fashion-MNIST (28×28), and
10,000 photographs of cats and dogs at 128×128. The predictions are drawn, one of ten wrong with every class, so that no
cell of the confusion matrix is empty. Measured is everything after the predictions: figures, intervals, plots, pages.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish, spread
from scipy.special import log_softmax

from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.report import make_report
from striate.evaluation.report_page import RunFacts, save_report_html, save_report_markdown
from striate.training.history import EpochMetrics, History

N = 10_000
WRONG = 0.1


def pictures(name: str, data: Path) -> DecodedSet:
    """Returns 10,000 decoded images."""
    if name == "cats_dogs":
        return decode_all(load_images(data / "cats_dogs"), Preprocessing(128, 128, 3))
    images = load_images(name, data_dir=data)
    return decode_all(images.subset(images.splits == "test"), Preprocessing(28, 28, 1))


def answers(decoded: DecodedSet, rng: np.random.Generator) -> np.ndarray:
    """Returns (n, classes) logarithms of probabilities, of which a tenth of the highest is wrong."""
    labels, classes = decoded.images.labels, len(decoded.images.classes)
    said = np.where(rng.random(len(labels)) < WRONG, rng.integers(0, classes, len(labels)), labels)
    logits = rng.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), said] += rng.exponential(5, len(labels)) + 2
    return np.asarray(log_softmax(logits, axis=1))


def made(decoded: DecodedSet, rng: np.random.Generator, folder: Path) -> tuple[dict[str, float], int]:
    """Returns the seconds of each part, and the page's bytes."""
    rows, images = answers(decoded, rng), decoded.images
    facts = RunFacts("benchmark", "cnn", 1, 1.0, "finished", (), {}, {}, {}, "", None)
    epochs = tuple(EpochMetrics(n, 1 / n, 0.5, 1 / n, 0.5, 1e-3, 1.0, 1.0, 1.0) for n in range(1, 11))
    began = time.perf_counter()
    report = make_report(images.name, "test", images.classes, images.keys, images.labels, rows)
    figures = time.perf_counter()
    measured = Evaluation(report, decoded, rows)
    save_report_html(folder / "r.html", facts, History(epochs, 10), measured)
    page = time.perf_counter()
    save_report_markdown(folder / "r.md", facts, History(epochs, 10), measured)
    end = time.perf_counter()
    seconds = {"figures": figures - began, "page": page - figures, "markdown": end - page, "whole": end - began}
    return seconds, (folder / "r.html").stat().st_size


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("fashion_mnist", "cats_dogs"):
            decoded = pictures(name, options.data)
            found = [made(decoded, np.random.default_rng(seed), Path(scratch)) for seed in range(options.rounds)]
            results[name] = {
                "pictures": len(decoded.images),
                "seconds": {part: spread([seconds[part] for seconds, _ in found]) for part in found[0][0]},
                "megabytes": spread([size / 1e6 for _, size in found]),
            }
    publish({"benchmark": "report", "goal": {"seconds": 15, "megabytes": 10}, "results": results})


if __name__ == "__main__":
    main()
