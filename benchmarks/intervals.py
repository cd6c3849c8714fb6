"""How often the report's intervals hold the truth, by simulation: 95 of 100 times is what they say.

    python benchmarks/intervals.py [--rounds N] [--pictures N]

A world of four classes and a classifier that answers them with a known probability: its true figures come from two
million images. In every round a test set is drawn from that world, and each interval is asked whether it holds the
true figure. What is counted is exact up to the rounds' own chance, ±0.4 points at 10,000 rounds.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from evidence import publish
from scipy.special import log_softmax

from striate.evaluation.intervals import compute_paired_difference, wilson
from striate.evaluation.metrics import compute_metrics
from striate.evaluation.report import Report, make_report

CLASSES = ("a", "b", "c", "d")
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
TRUTH = 2_000_000  # images
PART = 200_000  # at a time


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and (n, classes) logarithms of probabilities."""
    labels = rng.choice(len(CLASSES), n, p=SHARES)
    logits = rng.normal(0, 1, (n, len(CLASSES))) + 2.2 * (labels[:, None] == np.arange(len(CLASSES)))
    return labels.astype(np.int32), np.asarray(log_softmax(logits, axis=1))


def reported(labels: np.ndarray, rows: np.ndarray) -> Report:
    """Returns the report on such answers."""
    keys = np.arange(len(labels)).astype(str)
    return make_report("world", "test", CLASSES, keys, labels, rows)


def figures(report: Report) -> dict[str, tuple[float, tuple[float, float]]]:
    """Returns name → figure and interval; of the classes, the rarest."""
    found, rare = report.metrics, report.classes[-1]
    assert found is not None  # noqa: S101
    assert rare.precision_interval and rare.recall_interval and rare.f1_interval  # noqa: S101
    return {
        "accuracy (Wilson)": (report.accuracy, report.interval),
        "precision of a class (Wilson)": (rare.precision, rare.precision_interval),
        "recall of a class (Wilson)": (rare.recall, rare.recall_interval),
        "F1 of a class (Wilson of F*)": (rare.f1, rare.f1_interval),
        "balanced accuracy (bootstrap)": (found.balanced_accuracy.value, found.balanced_accuracy.interval),
        "Cohen's κ (bootstrap)": (found.kappa.value, found.kappa.interval),
        "Matthews' coefficient (bootstrap)": (found.mcc.value, found.mcc.interval),
        "log loss (bootstrap)": (found.log_loss.value, found.log_loss.interval),
    }


def truth(rng: np.random.Generator) -> dict[str, float]:
    """Returns the figures of the world itself."""
    parts = [world(rng, PART) for _ in range(TRUTH // PART)]
    labels, rows = np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])
    predicted = rows.argmax(axis=1)
    rare = len(CLASSES) - 1
    hit = float(np.sum((labels == rare) & (predicted == rare)))
    precision, recall = hit / np.sum(predicted == rare), hit / np.sum(labels == rare)
    found = compute_metrics(labels, rows)
    values = (
        *(float(np.mean(labels == predicted)), precision, recall, 2 * precision * recall / (precision + recall)),
        *(found.balanced_accuracy.value, found.kappa.value, found.mcc.value, found.log_loss.value),
    )
    names = figures(reported(*world(rng, 500)))
    return dict(zip(names, map(float, values), strict=True))


def differences(rng: np.random.Generator, n: int, rounds: int) -> tuple[float, float]:
    """Returns how often the paired interval holds the true difference, and the test calls equals different."""
    held, called = 0, 0
    for _ in range(rounds):
        cells = rng.choice(4, n, p=(0.80, 0.08, 0.05, 0.07))  # both right, only the first, only the second, none
        found = compute_paired_difference(cells <= 1, (cells == 0) | (cells == 2))
        held += found.interval.low <= -0.03 <= found.interval.high
        equal = rng.choice(4, n, p=(0.80, 0.06, 0.06, 0.08))
        called += compute_paired_difference(equal <= 1, (equal == 0) | (equal == 2)).p_value < 0.05
    return held / rounds, called / rounds


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--pictures", type=int, default=1000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    true = truth(rng)
    held = dict.fromkeys(true, 0)
    for _ in range(options.rounds):
        for name, (_, (low, high)) in figures(reported(*world(rng, options.pictures))).items():
            held[name] += low <= true[name] <= high
    results: dict[str, Any] = {
        name: {"true": true[name], "covered": number / options.rounds, "interval": _interval(number, options.rounds)}
        for name, number in held.items()
    }
    covered, called = differences(rng, options.pictures, options.rounds)
    results["difference of two (paired)"] = {
        "true": -0.03,
        "covered": covered,
        "interval": _interval(round(covered * options.rounds), options.rounds),
    }
    publish(
        {
            "benchmark": "intervals",
            "pictures": options.pictures,
            "rounds": options.rounds,
            "results": results,
            "equals_called_different": called,
        }
    )


def _interval(right: int, n: int) -> list[float]:
    low, high = wilson(right, n)
    return [low, high]


if __name__ == "__main__":
    main()
