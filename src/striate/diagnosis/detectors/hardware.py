"""Faults of the machine's use: a model that waits for images, an idle accelerator, too little memory."""

from __future__ import annotations

import math

import numpy as np

from striate.diagnosis.diagnosis import Diagnosis, build_train_command
from striate.diagnosis.evidence import Evidence

MIN_WAIT_FRACTION = 0.3
"""Fraction of the epochs' time, the median over the epochs but the first, whose first batch waits for everything."""

MIN_EPOCH_SECONDS = 0.2  # seconds an epoch takes; in less, a single late thread is a large share


def detect_input_bottleneck(e: Evidence) -> Diagnosis | None:
    """The model waits for images for a good part of the time."""
    rows = [row for row in (e.epochs[1:] or e.epochs) if math.isfinite(row.wait_fraction)]
    if not rows:
        return None
    fraction, seconds = (
        float(np.median([row.wait_fraction for row in rows])),
        float(np.median([row.seconds for row in rows])),
    )
    if fraction < MIN_WAIT_FRACTION or seconds < MIN_EPOCH_SECONDS:
        return None
    evidence = (
        f"the model waited {fraction:.0%} of the time for images; epochs of {seconds:.1f} s, "
        f"{np.median([row.images_per_second for row in rows]):,.0f} images a second"
    )
    cure = build_train_command(e, "--augment", "none" if _has_cheap_augment(e) else "flip")
    verdict = "The model waits for its images: they are read or changed more slowly than it learns"
    return Diagnosis("input_bound", "warning", verdict, evidence, cure)


def detect_unused_gpu(e: Evidence) -> Diagnosis | None:
    """The machine has an accelerator, and the training ran on the processor."""
    if e.signals is None or not e.signals.accelerators or e.signals.devices != ("cpu",):
        return None
    evidence = f"the machine has {', '.join(e.signals.accelerators)}, the training ran on {e.device}"
    verdict = "The graphics processor is not used"
    if "--device" in e.command and "cpu" in e.command:
        return None
    return Diagnosis("gpu_unused", "warning", verdict, evidence, build_train_command(e, "--device", "gpu"))


def detect_out_of_memory(e: Evidence) -> Diagnosis | None:
    """The training failed for want of memory."""
    if not e.is_failed or not e.failure_reason or "memory" not in e.failure_reason:
        return None
    cure = build_train_command(e, "--batch", max(1, (e.recipe.batch or 32) // 2))
    return Diagnosis(
        "out_of_memory", "error", "The machine's memory did not suffice", e.failure_reason.partition("\n")[0], cure
    )


def _has_cheap_augment(e: Evidence) -> bool:
    return isinstance(e.recipe.augment, str) or not any(
        (e.recipe.augment.rotate, e.recipe.augment.shear, e.recipe.augment.zoom, e.recipe.augment.cutout)
    )
