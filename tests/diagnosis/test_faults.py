"""Each fault is named from what shows it, first, and not from less."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from striate.data_checks.finding import Finding
from striate.diagnosis.diagnose import DETECTORS, diagnose
from striate.diagnosis.outcome_counts import count_outcomes
from striate.diagnosis.training_signals import InputScale, LayerActivity, NonFiniteBatches, SplitStatistics
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.report import AccuracyEstimate
from striate.training.recipe import Recipe

from .conftest import CLASSES, epochs_of, tally_of


def kinds(evidence) -> list[str]:
    """Returns what is named, the first first."""
    return [one.kind for one in diagnose(evidence).diagnoses]


def looks(**changes: SplitStatistics) -> tuple[SplitStatistics, ...]:
    """Returns the looks of three splits, some changed."""
    plain = {split: SplitStatistics(split, 400, 100.0, 60.0, 0.03, 0.5) for split in ("train", "validation", "test")}
    return tuple((plain | changes).values())


def test_a_healthy_training_has_none(evidence):
    said = diagnose(evidence())
    assert said.diagnoses == ()
    assert said.summary == (
        "Nothing is wrong with this training: 97.2 % of the training images and 95.0 % of the validation images "
        "are answered rightly, after 8 epochs."
    )
    assert kinds(evidence(signals=None)) == []


def test_overfitting(evidence):
    known = {"train_outcomes": tally_of(1.0, 1000, loss=0.01)}
    bad = evidence(
        signals=known,
        validation_outcomes=tally_of(0.75, loss=1.2),
        test_outcomes=tally_of(0.75),
        class_counts={"train": (40,) * 4},
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "overfitting"
    assert "only 160" in found.verdict
    assert "100.0 % of 1,000 training images right, 75.0 % of 400 validation images" in found.evidence
    assert found.fix == "striate train photos --epochs 8 --augment auto"
    assert kinds(evidence(signals={"train_outcomes": tally_of(0.97, 1000)}, validation_outcomes=tally_of(0.93))) == []


def test_overfitting_is_told_by_the_test_images_where_those_to_choose_by_are_too_few(evidence):
    lucky = np.diag([5, 5, 5, 4])
    known = {"train_outcomes": tally_of(1.0, 200, loss=0.05)}
    bad = evidence(
        signals=known,
        validation_outcomes=tally_of(0, matrix=lucky, loss=0.2),
        test_outcomes=tally_of(0.8, 600, loss=1.0),
    )
    found = diagnose(bad).diagnoses
    assert found[0].kind == "overfitting"
    assert "80.6 % of 619 validation and test images" in found[0].evidence


def test_overfitting_without_symptoms_is_seen_in_the_history(evidence):
    rising = epochs_of(0.9, 0.3, 0.05, 0.01, val=(0.9, 0.6, 0.8, 1.1))
    assert kinds(evidence(signals=None, epochs=rising, validation_outcomes=tally_of(0.75))) == ["overfitting"]
    assert kinds(evidence(signals=None, epochs=epochs_of(0.9, 0.3, 0.2, 0.1, val=(0.9, 0.4, 0.3, 0.3)))) == []


def test_a_rate_too_high(evidence):
    recipe = Recipe(epochs=8, batch=32, learning_rate=10.0)
    lost = {"peak_loss": 900.0, "train_outcomes": tally_of(0.25, 1000, loss=1.4)}
    bad = evidence(
        signals=lost,
        recipe=recipe,
        validation_outcomes=tally_of(0.25),
        test_outcomes=tally_of(0.25),
        epochs=epochs_of(80.0, 1.5, 1.4),
    )
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.severity) == ("learning_rate_too_high", "error")
    assert found.fix.endswith("--lr 0.001")
    recovered = evidence(signals={"peak_loss": 900.0})
    assert kinds(recovered) == []


def test_a_rate_too_low(evidence):
    slow = {"train_outcomes": tally_of(0.5, 1000, loss=1.2)}
    bad = evidence(
        signals=slow,
        recipe=Recipe(epochs=8, batch=32, learning_rate=1e-6),
        validation_outcomes=tally_of(0.5, loss=1.2),
        test_outcomes=tally_of(0.5),
        epochs=epochs_of(1.38, 1.35, 1.32, 1.3, 1.28, 1.26, 1.24, 1.2),
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "learning_rate_too_low"
    assert found.fix.endswith("--lr 0.001")


def test_a_loss_that_is_no_number_is_told_with_its_images(evidence):
    broken = NonFiniteBatches(2, 5, 8, tuple(f"p{n}.jpg" for n in range(128)), 128)
    bad = evidence(
        signals={"non_finite_batches": broken, "train_outcomes": None},
        epochs=epochs_of(0.9, math.nan),
        is_failed=True,
        failure_reason="x",
        best_epoch=1,
        validation_outcomes=None,
        test_outcomes=None,
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "not_finite"
    assert "in epoch 2, batches 5 to 8, with 128 images: p0.jpg, p1.jpg, p2.jpg …; epoch 1 was kept" in found.evidence
    assert found.files == broken.files
    half = evidence(
        signals={"non_finite_batches": broken},
        recipe=Recipe(epochs=2, batch=32, precision="mixed_float16"),
        is_failed=True,
    )
    assert diagnose(half).diagnoses[0].fix.endswith("--precision float32")


def test_dead_units(evidence):
    dead = {
        "layer_activities": (LayerActivity("conv", 32, 0), LayerActivity("dense", 128, 128)),
        "train_outcomes": tally_of(0.25, 1000),
    }
    bad = evidence(
        signals=dead,
        validation_outcomes=tally_of(0.25),
        test_outcomes=tally_of(0.25),
        epochs=epochs_of(1.4, 1.39, 1.39, 1.39),
    )
    assert kinds(bad)[0] == "dead_relus"
    assert "128 of the 128 units of layer dense" in diagnose(bad).diagnoses[0].evidence
    assert kinds(evidence(signals={"layer_activities": dead["layer_activities"]})) == []  # a model that works


def test_one_class(evidence):
    column = np.zeros((4, 4), int)
    column[:, 2] = 100
    bad = evidence(
        signals={"train_outcomes": tally_of(0, matrix=column)},
        validation_outcomes=tally_of(0, matrix=column),
        test_outcomes=tally_of(0, matrix=column),
        epochs=epochs_of(1.4, 1.39, 1.39, 1.39),
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "one_class"
    assert found.verdict == "It always answers c"


def test_label_noise(evidence):
    evenly = tally_of(0.6, loss=1.2, top_confidence_errors=24)
    alike = {"neighbor_outcomes": tally_of(0.55)}
    assert kinds(evidence(signals=alike, validation_outcomes=evenly, test_outcomes=evenly))[0] == "label_noise"
    difficult = tally_of(0.6, loss=1.2, top_confidence_errors=1)
    assert "label_noise" not in kinds(evidence(signals=alike, validation_outcomes=difficult, test_outcomes=difficult))
    few = tally_of(0.8, 40, loss=1.2, top_confidence_errors=2)
    assert "label_noise" not in kinds(
        evidence(signals=alike, validation_outcomes=few, test_outcomes=tally_of(0.8, loss=1.2))
    )
    useless = evidence(signals={"neighbor_outcomes": tally_of(0.9)}, validation_outcomes=evenly, test_outcomes=evenly)
    assert "label_noise" not in kinds(useless)  # a model worse than its neighbors says nothing about labels


def test_training_labels_that_are_worse_than_others(evidence):
    noisy = {"train_outcomes": tally_of(0.65, 1000, loss=1.3)}
    found = diagnose(evidence(signals=noisy)).diagnoses[0]
    assert (found.kind, found.fix) == ("label_noise", "striate data photos --label-issues")
    assert "64.8 % of 1,000 training images right, yet 95.0 % of 400" in found.evidence
    chance = {"train_outcomes": tally_of(0.948, 1000, loss=0.16)}
    assert kinds(evidence(signals=chance)) == []


def test_labels_that_mean_nothing(evidence):
    by_heart = {"train_outcomes": tally_of(0.9, 1000), "neighbor_outcomes": tally_of(0.25)}
    bad = evidence(signals=by_heart, validation_outcomes=tally_of(0.25, loss=3.0), test_outcomes=tally_of(0.25))
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.severity) == ("label_noise", "error")


def test_imbalance(evidence):
    matrix = np.diag([100, 100, 100, 8])
    matrix[3] = (4, 0, 0, 4)
    counts = {"train": (1000, 1000, 1000, 30), "validation": (100, 100, 100, 8), "test": (100, 100, 100, 8)}
    bad = evidence(
        class_counts=counts, validation_outcomes=tally_of(0, matrix=matrix), test_outcomes=tally_of(0, matrix=matrix)
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "imbalance"
    assert "30 to 1,000 training images a class; of the small classes (d) 50.0 % are recognised" in found.evidence
    fine = np.diag([100, 100, 100, 8])
    assert (
        kinds(
            evidence(
                class_counts=counts,
                validation_outcomes=tally_of(0, matrix=fine),
                test_outcomes=tally_of(0, matrix=fine),
            )
        )
        == []
    )


def test_class_collapse(evidence):
    matrix = np.diag([95, 95, 95, 0])
    matrix[3] = (100, 0, 0, 0)
    bad = evidence(validation_outcomes=tally_of(0, matrix=matrix), test_outcomes=tally_of(0, matrix=matrix))
    assert kinds(bad) == ["class_collapse"]
    assert diagnose(bad).diagnoses[0].verdict == "d is never answered"


def test_test_images_of_another_kind(evidence):
    shifted = SplitStatistics("test", 400, 150.0, 40.0, 0.6, 1e-9)
    bad = evidence(signals={"split_statistics": looks(test=shifted)}, test_outcomes=tally_of(0.6))
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "mismatch"
    assert "Kolmogorov–Smirnov distance 0.60" in found.evidence
    assert kinds(evidence(test_outcomes=tally_of(0.93))) == []
    guessing = evidence(
        signals={"neighbor_outcomes": tally_of(0.25)}, validation_outcomes=tally_of(0.27), test_outcomes=tally_of(0.05)
    )
    assert "mismatch" not in kinds(guessing)


def test_images_normalised_otherwise(evidence):
    dark = SplitStatistics("test", 400, 0.4, 0.3, 1.0, 0.0)
    found = diagnose(evidence(signals={"split_statistics": looks(test=dark)}, test_outcomes=tally_of(0.25))).diagnoses[
        0
    ]
    assert found.kind == "wrong_normalization"
    assert found.verdict == "The test images are normalized differently from the training images"
    assert kinds(evidence(signals={"input_scale": InputScale("conv", 100.0, 60.0)})) == ["wrong_normalization"]
    assert kinds(evidence(signals={"input_scale": InputScale("conv", 0.0, 1.0)})) == []


def test_a_leak(evidence):
    leak = Finding("leak", "error", "copies", "remove them", ("test/1.jpg",), 40, 20)
    bad = evidence(findings=(leak,), leak_count=40, without_leaks=AccuracyEstimate(360, 0.9, (0.86, 0.93)))
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.fix) == ("leak", "striate data photos --fix")
    assert "40 of 400 test images" in found.evidence
    assert kinds(evidence(findings=(leak,), leak_count=2, without_leaks=AccuracyEstimate(398, 0.95, (0.9, 0.97)))) == []


def test_stopped_too_early(evidence):
    bad = evidence(
        signals={"train_outcomes": tally_of(0.75, 1000, loss=0.7)},
        epochs=epochs_of(0.9),
        best_epoch=1,
        validation_outcomes=tally_of(0.74, loss=0.75),
        test_outcomes=tally_of(0.74),
    )
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.fix) == ("stopped_too_early", "striate train photos --epochs 10")


def test_underfitting(evidence):
    flat = {"train_outcomes": tally_of(0.5, 1000, loss=1.0)}
    bad = evidence(
        signals=flat,
        epochs=epochs_of(1.2, 1.05, 1.02, 1.01, 1.0, 1.0, 0.995, 0.99),
        best_epoch=7,
        validation_outcomes=tally_of(0.5, loss=1.0),
        test_outcomes=tally_of(0.5),
    )
    (found,) = diagnose(bad).diagnoses
    assert found.kind == "underfitting"
    assert "the nearest training images alone give 70.0 %" in found.evidence


def test_plateau(evidence):
    to_and_fro = (1.2, 1.0, 0.9, 0.8, 0.9, 0.8, 0.97, 0.88)
    bad = evidence(
        signals={"train_outcomes": tally_of(0.6, 1000, loss=0.85)},
        epochs=epochs_of(*to_and_fro),
        best_epoch=6,
        validation_outcomes=tally_of(0.6, loss=0.9),
        test_outcomes=tally_of(0.6),
        recipe=Recipe(epochs=8, batch=32, learning_rate=1e-3),
    )
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.fix) == ("plateau", "striate train photos --epochs 8 --lr 0.0002")


def test_too_few_to_choose_by(evidence):
    few = np.diag([2, 2, 2, 1])
    few[3, 0] = 1
    assert kinds(evidence(validation_outcomes=tally_of(0, matrix=few))) == ["small_validation"]


def test_waiting_for_images(evidence):
    assert kinds(evidence(epochs=epochs_of(1.0, 0.5, 0.3, 0.2, wait_fraction=0.6))) == ["input_bound"]
    assert kinds(evidence(epochs=epochs_of(1.0, 0.5, 0.3, 0.2, wait_fraction=0.6, seconds=0.05))) == []


def test_an_idle_graphics_processor(evidence):
    idle = {"accelerators": ("NVIDIA H100",)}
    assert kinds(evidence(signals=idle)) == ["gpu_unused"]
    assert kinds(evidence(signals={**idle, "devices": ("gpu:0",)})) == []
    assert kinds(evidence(signals=idle, command="striate train photos --device cpu")) == []


def test_too_little_memory(evidence):
    bad = evidence(
        signals=None,
        is_failed=True,
        failure_reason="The memory does not suffice",
        validation_outcomes=None,
        test_outcomes=None,
    )
    (found,) = diagnose(bad).diagnoses
    assert (found.kind, found.fix) == ("out_of_memory", "striate train photos --epochs 8 --batch 16")


def test_two_tallies_together_are_the_tally_of_all():
    rng = np.random.default_rng(0)
    labels, rows = rng.integers(0, 4, 90), rng.dirichlet(np.ones(4), 90)
    keys = np.arange(90).astype(str)
    whole, first, second = (
        count_outcomes(LabeledPredictions(CLASSES, keys[part], labels[part], np.log(rows[part])))
        for part in (slice(None), slice(60), slice(60, None))
    )
    both = first.merge(second)
    assert (both.confusion, both.n) == (whole.confusion, 90)
    assert both.loss == pytest.approx(whole.loss)
    assert both.loss_std == pytest.approx(whole.loss_std, rel=0.02)
    assert whole.exclude_classes([1, 2]).n == int(np.isin(labels, (0, 3)).sum())


@pytest.mark.parametrize(
    "missing", ["validation_outcomes", "test_outcomes", "epochs", "signals", "class_counts", "classes"]
)
def test_whatever_is_missing_no_fault_stumbles(evidence, missing):
    gone = {"epochs": (), "class_counts": {}, "classes": ()}.get(missing)
    bare = replace(evidence(), **{missing: gone})
    for fault, _ in DETECTORS:
        fault(bare)
    diagnose(
        replace(
            evidence(signals=None),
            validation_outcomes=None,
            test_outcomes=None,
            epochs=(),
            class_counts={},
            best_epoch=0,
        )
    )


def test_a_cause_hides_what_it_explains():
    explained = {kind for _, kinds in DETECTORS for kind in kinds}
    named = [fault.__name__ for fault, _ in DETECTORS]
    assert len(named) == len(set(named))
    assert {"overfitting", "underfitting", "one_class", "dead_relus"} <= explained
    assert len(CLASSES) == 4
