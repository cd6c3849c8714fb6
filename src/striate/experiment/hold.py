"""How a run's classifier holds when pictures are made worse, measured and kept beside its report."""

from __future__ import annotations

import numpy as np

from striate import drawing
from striate.evaluation.measure import Measured
from striate.evaluation.robustness import SAMPLE, Robustness, robustness
from striate.evaluation.robustness_plot import corruption_sheet, robustness_plot
from striate.files import write_json
from striate.progress import SILENT, Progress
from striate.runs import Run
from striate.seal import changing

NAME, PLOT, SHEET = "robustness.json", "robustness.png", "corruptions.png"


def hold(run: Run, measured: Measured, *, pictures: int = SAMPLE, progress: Progress = SILENT) -> Robustness:
    """Returns how the run's classifier holds under nine corruptions at five severities each; writes robustness.json,
    plots/robustness.png and plots/corruptions.png (what each severity looks like) into the run.

    Args:
        run: whose classifier.
        measured: its test pictures, or others, measured as they are.
        pictures: of how many, drawn at random.
        progress: shows what happens.
    """
    found = robustness(run.classifier, measured.decoded, sample=pictures, progress=progress)
    folder = run.path / "plots"
    folder.mkdir(exist_ok=True)
    right = np.flatnonzero(measured.answered.is_right)
    with changing(run.path, NAME, f"plots/{PLOT}", f"plots/{SHEET}"):
        drawing.save(robustness_plot(found), folder / PLOT)
        drawing.save(corruption_sheet(measured.decoded.pixels[right[0] if len(right) else 0]), folder / SHEET)
        write_json(run.path / NAME, found)
    return found
