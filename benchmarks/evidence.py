"""What a benchmark's document holds beside its figures: on what it was measured."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from typing import Any

from striate.system.hardware import describe_machine, get_package_versions, read_cpu_features

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
"""What of a processor's abilities decides how fast a convolution is, as Linux names them."""

SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "KERAS_BACKEND")
"""Environment variables that change a speed."""


def publish(document: dict[str, Any]) -> None:
    """Prints the document as JSON, and the machine, its flags, the settings and the versions with it."""
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    about = {
        "machine": {**describe_machine(), "flags": _flags()},
        "environment": settings,
        "versions": get_package_versions(),
    }
    print(json.dumps({**document, **about}, indent=2))


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Returns how many there are, their median, the least and the greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {"n": len(values), **{name: round(value, digits) for name, value in found.items()}}


def _flags() -> list[str]:
    known = read_cpu_features() or frozenset()
    return [flag for flag in FLAGS if flag in known]
