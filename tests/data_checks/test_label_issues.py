"""Labels in doubt, from probabilities alone."""

from __future__ import annotations

import numpy as np
import pytest

from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data_checks.label_issues import build_label_issue_findings, rank_label_issues

pytestmark = pytest.mark.fast


def labelled(labels: list[int]) -> ImageSet:
    return from_arrays(np.zeros((len(labels), 2, 2), np.uint8), np.array(labels), classes=["cat", "dog", "fox"])


def test_the_most_contradicted_label_comes_first_and_agreement_is_no_suspicion():
    images = labelled([0, 0, 1, 1, 2, 2])
    rows = np.array(
        [
            [0.9, 0.05, 0.05],
            [0.1, 0.8, 0.1],  # a cat that looks like a dog
            [0.1, 0.8, 0.1],
            [0.3, 0.4, 0.3],
            [0.97, 0.01, 0.02],  # a fox that looks like a cat, even more
            [0.1, 0.1, 0.8],
        ]
    )
    found = rank_label_issues(images, rows)
    assert found.keys.tolist() == [images.keys[4], images.keys[1]]
    assert found.given_labels.tolist() == [2, 0] and found.predicted_labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.margins, [-0.95, -0.7])
    assert found.confident_count == 2
    (finding,) = build_label_issue_findings(found, 6)
    assert (finding.kind, finding.severity, finding.count) == ("label_suspect", "warning", 2)
    assert "'fox', said to be 'cat'" in finding.message
    row = found.to_corrections()[0]
    assert (row.action, row.label, row.original_label) == ("keep", "cat", "fox")


def test_a_class_that_is_never_certain_is_held_to_its_own_threshold():
    """The confident joint's point: a probability of 0.5 is much for a class whose own images get 0.4."""
    images = labelled([0] * 50 + [1] * 50 + [2] * 2)
    rows = np.tile([0.4, 0.35, 0.25], (102, 1))
    rows[50:100] = [0.02, 0.96, 0.02]
    rows[60] = [0.45, 0.42, 0.13]  # beats the cats' own mean
    rows[70] = [0.01, 0.5, 0.49]
    rows[100:] = [0.1, 0.1, 0.8]
    found = rank_label_issues(images, rows)
    assert found.keys.tolist() == [images.keys[60]] and found.confident_count == 1


def test_agreement_everywhere_gives_nothing():
    found = rank_label_issues(labelled([0, 1, 2]), np.eye(3) * 0.9 + 0.033)
    assert len(found.keys) == found.confident_count == 0
    assert build_label_issue_findings(found, 3) == [] and found.to_corrections() == []
