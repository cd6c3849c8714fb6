"""The pictures that a run was measured on together with what it answered, without asking it again."""

from __future__ import annotations

import numpy as np

from striate.evaluation.measure import Measured
from striate.experiment.own_pictures import own_set
from striate.images.cache import decode_all
from striate.progress import SILENT, Progress
from striate.runs import Run


def some_measured(run: Run, most: int = 2000, *, seed: int = 0, progress: Progress = SILENT) -> Measured:
    """Returns the run's report with some of the test pictures that it stands on, and the answers to them.

    Args:
        run: finished.
        most: so many pictures, drawn at random from all classes alike.
        seed: of the drawing.
        progress: shows what happens.

    Raises:
        DataError: the pictures are gone, or were handed over in Python, or the answers are missing.
    """
    answered = run.answered("test")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(answered.keys))[:most])
    images = own_set(run, progress=progress)
    place = {key: at for at, key in enumerate(images.keys.tolist())}
    there = [(at, place[key]) for at in chosen.tolist() if (key := str(answered.keys[at])) in place]
    rows = answered.log_probabilities[[at for at, _ in there]]
    decoded = decode_all(
        images.subset(np.array([at for _, at in there], int)), run.classifier.preprocessing, progress=progress
    )
    if decoded.broken:
        kept = set(decoded.images.keys.tolist())
        rows = rows[[at for at, (_, index) in enumerate(there) if str(images.keys[index]) in kept]]
    return Measured(run.report, decoded, np.asarray(rows, np.float64))
