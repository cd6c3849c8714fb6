"""Every fault that a run's evidence shows, causes first; and the sentence for a run that has none."""

from __future__ import annotations

from pathlib import Path

from striate.config import config, from_json
from striate.diagnosis.detectors import data, fit, hardware, labels, optimization
from striate.diagnosis.diagnosis import Diagnosis, Fault
from striate.diagnosis.evidence import Evidence
from striate.errors import ConfigError
from striate.reporting.style import percent
from striate.system.checksums import checked

FORMAT = 1
NAME = "diagnosis.json"

CONSEQUENCES = frozenset(
    ("dead_relus", "one_class", "class_collapse", "underfitting", "plateau", "stopped_too_early", "overfitting")
)
"""What a training that went wrong at its root shows as well."""

FAULTS: tuple[tuple[Fault, frozenset[str]], ...] = (
    (hardware.out_of_memory, frozenset()),
    (optimization.rate_too_high, CONSEQUENCES | {"not_finite", "learning_rate_too_low", "label_noise", "mismatch"}),
    (data.wrong_normalisation, CONSEQUENCES | {"learning_rate_too_low", "mismatch", "label_noise"}),
    (optimization.not_finite, CONSEQUENCES | {"mismatch", "label_noise"}),
    (optimization.rate_too_low, CONSEQUENCES | {"label_noise", "imbalance"}),
    (optimization.dead_units, CONSEQUENCES | {"label_noise", "imbalance"}),
    (data.mismatch, frozenset(("overfitting", "class_collapse", "label_noise"))),
    (data.leak, frozenset()),
    (labels.label_noise, CONSEQUENCES),
    (labels.imbalance, frozenset(("one_class", "class_collapse", "overfitting", "underfitting"))),
    (optimization.one_class, CONSEQUENCES),
    (labels.class_collapse, frozenset(("overfitting", "underfitting", "mismatch"))),
    (fit.overfitting, frozenset()),
    (fit.stopped_too_early, frozenset(("underfitting", "plateau"))),
    (fit.plateau, frozenset(("underfitting",))),
    (fit.underfitting, frozenset()),
    (fit.small_validation, frozenset()),
    (hardware.gpu_unused, frozenset()),
    (hardware.input_bound, frozenset()),
)
"""Every fault, a cause before what it causes, with the kinds that it explains: those are not named beside it."""


@config
class Diagnoses:
    """What the doctor says; a run keeps it as diagnosis.json.

    Attributes:
        format: of diagnosis.json.
        found: faults, the most important first; none for a healthy run.
        summary: one sentence.
        missing: what could not be looked at.
    """

    format: int
    found: tuple[Diagnosis, ...]
    summary: str
    missing: tuple[str, ...]


def diagnose(evidence: Evidence) -> Diagnoses:
    """Returns the faults that the evidence shows; what another fault explains is left out."""
    found: list[Diagnosis] = []
    explained: set[str] = set()
    for fault, explains in FAULTS:
        one = fault(evidence)
        if one is not None and one.kind not in explained:
            found.append(one)
            explained |= explains
    return Diagnoses(FORMAT, tuple(found), found[0].verdict + "." if found else _healthy(evidence), evidence.missing)


def load_diagnoses(folder: Path) -> Diagnoses | None:
    """Returns what was said when the training of a run ended; None for one made before that was kept."""
    try:
        return from_json(Diagnoses, checked(folder, NAME).read_bytes(), NAME)
    except (OSError, ConfigError):
        return None


def _healthy(e: Evidence) -> str:
    if e.is_failed:
        return f"The training failed: {e.reason}"
    if e.validation is None:
        return "Nothing is known to be wrong, but there is little to judge by."
    seen = f"{percent(e.learnt.accuracy)} of the training pictures and " if e.learnt else ""
    return (
        f"Nothing is wrong with this training: {seen}{percent(e.validation.accuracy)} of the validation pictures are "
        f"answered rightly, after {len(e.epochs)} {'epoch' if len(e.epochs) == 1 else 'epochs'}."
    )
