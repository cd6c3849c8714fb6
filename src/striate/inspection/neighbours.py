"""Pictures of different classes that look most alike: where labels may be wrong, and where the task is hard."""

from __future__ import annotations

import numpy as np

from striate.inspection.likeness import standardised
from striate.inspection.survey import Survey

NEIGHBOR_SAMPLE = 4000  # pictures compared with one another


def nearest_across(seen: Survey, count: int) -> list[tuple[int, int, float]]:
    """Returns (number, number, correlation of their thumbnails) of the pairs of pictures of different classes that are
    most alike, each picture in one pair at most; of a large set, in a sample.
    """
    rows = np.random.default_rng(0).permutation(np.flatnonzero(seen.is_readable))[:NEIGHBOR_SAMPLE]
    labels = seen.images.labels[rows]
    normal = standardised(seen.facts["thumbnail"][rows])
    likeness = np.triu(normal @ normal.T, 1)
    likeness[labels[:, None] == labels[None]] = 0
    found: list[tuple[int, int, float]] = []
    used: set[int] = set()
    best = np.argpartition(-likeness, min(100 * count, likeness.size - 1), axis=None)[: 100 * count]
    for place in best[np.argsort(-likeness.ravel()[best])].tolist():
        a, b = divmod(place, len(rows))
        if likeness[a, b] <= 0 or len(found) == count:
            break
        if not {a, b} & used:
            used |= {a, b}
            found.append((int(rows[a]), int(rows[b]), float(likeness[a, b])))
    return found
