"""A run's own explainer: test pictures, answered wrongly and rightly, on their way through its network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.errors import StriateError
from striate.evaluation.measure import Measured
from striate.evaluation.plots import right_and_wrong
from striate.explain.attribute import Attributor, fitting_method
from striate.explain.explainer.document import Shown
from striate.explain.explainer.render import PICTURES, save_explainer
from striate.explain.overlay import scaled
from striate.history import History
from striate.progress import SILENT, Progress
from striate.runs import Run

INSIDE = "inside.html"
MOST = 6 * 2**20  # bytes of weights in a page that nobody asked for


def save_inside(
    run: Run, classifier: Classifier, history: History, measured: Measured, progress: Progress = SILENT
) -> None:
    """Writes the page, unless the network cannot be explained; that is said, and costs the run nothing."""
    right, wrong = right_and_wrong(measured, PICTURES)
    shown = np.concatenate([wrong[: PICTURES // 2], right])[:PICTURES]
    if not len(shown):
        return
    try:
        _save(run, classifier, history, measured, shown)
    except StriateError as error:
        progress.say(f"No page of what is inside the network was made: {error}")


def _save(run: Run, classifier: Classifier, history: History, measured: Measured, shown: NDArray[np.intp]) -> None:
    images, pixels = measured.decoded.images, np.stack([measured.decoded.pixels[int(index)] for index in shown])
    method = fitting_method(classifier.model)
    heat = Attributor(classifier, method)(pixels, measured.predicted[shown].astype(np.intp)).heat
    pictures = [
        Shown(str(images.keys[index]), one, images.classes[images.labels[index]], scaled(warm))
        for index, one, warm in zip(shown.tolist(), pixels, heat, strict=True)
    ]
    save_explainer(
        run.path / INSIDE,
        classifier,
        pictures,
        name=run.name,
        method=method,
        epochs=history.epochs,
        kept=history.kept,
        most=MOST,
    )
