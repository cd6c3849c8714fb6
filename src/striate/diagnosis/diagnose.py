"""Every fault that a run's evidence shows, causes first; and the sentence for a run that has none."""

from __future__ import annotations

from pathlib import Path

from striate.config import from_json, frozen_config, read_former_keys
from striate.diagnosis.detectors import data, fit, hardware, labels, optimization
from striate.diagnosis.diagnosis import Detector, Diagnosis
from striate.diagnosis.evidence import Evidence
from striate.errors import ConfigError
from striate.reporting.style import format_percent
from striate.system.checksums import verify_file

DIAGNOSIS_FORMAT = 2
DIAGNOSIS_FILE = "diagnosis.json"

CONSEQUENCE_KINDS = frozenset(
    ("dead_relus", "one_class", "class_collapse", "underfitting", "plateau", "stopped_too_early", "overfitting")
)
"""What a training that went wrong at its root shows as well."""

DETECTORS: tuple[tuple[Detector, frozenset[str]], ...] = (
    (hardware.detect_out_of_memory, frozenset()),
    (
        optimization.detect_high_learning_rate,
        CONSEQUENCE_KINDS | {"not_finite", "learning_rate_too_low", "label_noise", "mismatch"},
    ),
    (data.detect_wrong_normalization, CONSEQUENCE_KINDS | {"learning_rate_too_low", "mismatch", "label_noise"}),
    (optimization.detect_non_finite_loss, CONSEQUENCE_KINDS | {"mismatch", "label_noise"}),
    (optimization.detect_low_learning_rate, CONSEQUENCE_KINDS | {"label_noise", "imbalance"}),
    (optimization.detect_dead_units, CONSEQUENCE_KINDS | {"label_noise", "imbalance"}),
    (data.detect_split_mismatch, frozenset(("overfitting", "class_collapse", "label_noise"))),
    (data.detect_leak, frozenset()),
    (labels.detect_label_noise, CONSEQUENCE_KINDS),
    (labels.detect_class_imbalance, frozenset(("one_class", "class_collapse", "overfitting", "underfitting"))),
    (optimization.detect_constant_prediction, CONSEQUENCE_KINDS),
    (labels.detect_class_collapse, frozenset(("overfitting", "underfitting", "mismatch"))),
    (fit.detect_overfitting, frozenset()),
    (fit.detect_premature_stop, frozenset(("underfitting", "plateau"))),
    (fit.detect_plateau, frozenset(("underfitting",))),
    (fit.detect_underfitting, frozenset()),
    (fit.detect_small_validation_set, frozenset()),
    (hardware.detect_unused_gpu, frozenset()),
    (hardware.detect_input_bottleneck, frozenset()),
)
"""Every fault, a cause before what it causes, with the kinds that it explains: those are not named beside it."""


@read_former_keys(found="diagnoses", missing="missing_evidence")
@frozen_config
class DiagnosisReport:
    """What the doctor says; a run keeps it as diagnosis.json.

    Attributes:
        format: of diagnosis.json.
        diagnoses: faults, the most important first; none for a healthy run.
        summary: one sentence.
        missing_evidence: what could not be looked at.
    """

    format: int
    diagnoses: tuple[Diagnosis, ...]
    summary: str
    missing_evidence: tuple[str, ...]


def diagnose(evidence: Evidence) -> DiagnosisReport:
    """Returns the faults that the evidence shows; what another fault explains is left out."""
    found: list[Diagnosis] = []
    explained: set[str] = set()
    for fault, explains in DETECTORS:
        one = fault(evidence)
        if one is not None and one.kind not in explained:
            found.append(one)
            explained |= explains
    return DiagnosisReport(
        DIAGNOSIS_FORMAT,
        tuple(found),
        found[0].verdict + "." if found else _describe_healthy_training(evidence),
        evidence.missing_evidence,
    )


def load_diagnosis_report(folder: Path) -> DiagnosisReport | None:
    """Returns what was said when the training of a run ended; None for one made before that was kept."""
    try:
        return from_json(DiagnosisReport, verify_file(folder, DIAGNOSIS_FILE).read_bytes(), DIAGNOSIS_FILE)
    except (OSError, ConfigError):
        return None


def _describe_healthy_training(evidence: Evidence) -> str:
    if evidence.is_failed:
        return f"The training failed: {evidence.failure_reason}"
    if evidence.validation_outcomes is None:
        return "Nothing is known to be wrong, but there is little to judge by."
    seen = (
        f"{format_percent(evidence.train_outcomes.accuracy)} of the training images and "
        if evidence.train_outcomes
        else ""
    )
    return (
        f"Nothing is wrong with this training: {seen}{format_percent(evidence.validation_outcomes.accuracy)} of the "
        "validation images are "
        f"answered rightly, after {len(evidence.epochs)} {'epoch' if len(evidence.epochs) == 1 else 'epochs'}."
    )
