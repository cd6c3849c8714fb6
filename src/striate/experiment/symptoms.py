"""The doctor's visit at a training's end: symptoms are noted, and what follows from them is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.classifier import Classifier
from striate.diagnosis import diagnose as doctor
from striate.diagnosis import symptoms
from striate.diagnosis.evidence import gather
from striate.diagnosis.look import Parts, symptoms_of
from striate.files import write_json
from striate.progress import Progress
from striate.runs import Manifest, Run

if TYPE_CHECKING:
    from striate.training.loss_trace import LossTrace


def diagnosed(
    run: Run, manifest: Manifest, parts: Parts, classifier: Classifier | None, trace: LossTrace, progress: Progress
) -> None:
    """Writes symptoms.json and diagnosis.json. Whatever goes wrong here is told and costs no training.

    Args:
        run: whose folder, all else of it written but the manifest.
        manifest: what its run.json will hold.
        parts: training, validation and test pictures.
        classifier: what came out; None when nothing did.
        trace: how the loss began, and where it broke.
        progress: told of what cannot be looked at.
    """
    try:
        write_json(run.path / symptoms.NAME, symptoms_of(parts, classifier, trace))
        write_json(run.path / doctor.NAME, doctor.diagnose(gather(run, manifest)))
    except Exception as error:  # a network of the user's own may refuse to be looked into
        progress.say(f"The training could not be diagnosed ({type(error).__name__}: {error}).")
