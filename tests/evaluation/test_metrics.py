"""Figures beside accuracy: scikit-learn's own, with intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import metrics as sk

from striate.evaluation import metrics as module
from striate.evaluation.metrics import compute_metrics

pytestmark = [
    pytest.mark.fast,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning"),  # scikit-learn's on odd cases
]


def answers(seed: int, n: int, classes: int, sharpness: float = 2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(0, 1, (n, classes)) + sharpness * (labels[:, None] == np.arange(classes))
    return labels, log_softmax(logits, axis=1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(2, 9))
@settings(deadline=None, max_examples=40)
def test_every_figure_is_scikit_learns(seed: int, n: int, classes: int):
    labels, rows = answers(seed, n, classes)
    predicted = rows.argmax(axis=1)
    found = compute_metrics(labels, rows)
    assert found.balanced_accuracy.value == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    kappa = sk.cohen_kappa_score(labels, predicted)
    assert found.kappa.value == pytest.approx(0.0 if np.isnan(kappa) else kappa)
    assert found.mcc.value == pytest.approx(sk.matthews_corrcoef(labels, predicted))
    assert found.log_loss.value == pytest.approx(sk.log_loss(labels, np.exp(rows), labels=np.arange(classes)))
    assert (found.top5_accuracy is None) is (classes <= 5)
    if found.top5_accuracy is not None:
        expected = sk.top_k_accuracy_score(labels, rows, k=5, labels=np.arange(classes))
        assert found.top5_accuracy.value == pytest.approx(expected)
    if found.auc is not None and classes > 2:
        assert found.auc == pytest.approx(sk.roc_auc_score(labels == 0, rows[:, 0]), abs=1)
        expected = sk.roc_auc_score(labels, np.exp(rows), multi_class="ovr", average="macro", labels=np.arange(classes))
        assert found.auc == pytest.approx(expected)
    for one in (found.balanced_accuracy, found.kappa, found.mcc, found.log_loss):
        assert one.interval[0] <= one.interval[1]


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@settings(deadline=None, max_examples=20)
def test_a_resampled_matrix_gives_the_figures_of_resampled_images(seed: int, classes: int):
    labels, rows = answers(seed, 60, classes)
    predicted = rows.argmax(axis=1)
    matrix = sk.confusion_matrix(labels, predicted, labels=np.arange(classes)).astype(float)
    parts = np.stack([np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])[None]
    assert module._compute_balanced_accuracy(parts)[0] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert module._compute_kappa(parts)[0] == pytest.approx(sk.cohen_kappa_score(labels, predicted))
    assert module._compute_mcc(parts)[0] == pytest.approx(sk.matthews_corrcoef(labels, predicted))


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "RESAMPLES", 400)
    large = compute_metrics(*answers(1, 400_000, 4))
    covered = dict.fromkeys(("balanced_accuracy", "kappa", "mcc", "log_loss"), 0)
    rounds = 1000
    for seed in range(rounds):
        found = compute_metrics(*answers(seed + 10, 500, 4))
        for name in covered:
            low, high = getattr(found, name).interval
            covered[name] += low <= getattr(large, name).value <= high
    assert all(0.935 <= number / rounds <= 0.965 for number in covered.values()), covered
