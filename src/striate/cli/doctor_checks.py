"""What is wrong with this environment, and what to do: answered as far as possible without importing Keras."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

from striate.config import frozen_config
from striate.errors import StriateError
from striate.system.backend_choice import find_shadowing_files, list_installed_backends, resolve_backend
from striate.system.hardware import RECORDED_PACKAGES as RECORDED
from striate.system.hardware import get_package_versions

CHECKED_PACKAGES = (*RECORDED, "scipy", "matplotlib", "msgspec", "safetensors")
"""Distributions whose versions are worth knowing here: those that every run records, and a few more."""


@frozen_config
class EnvironmentCheck:
    """One thing found.

    Attributes:
        kind: a fixed word for it.
        severity: `error` prevents work, `warning` may, `ok` is as it should be.
        evidence: what was seen.
        fix: what to do ("" when nothing).
    """

    kind: str
    severity: Literal["error", "warning", "ok"]
    evidence: str
    fix: str = ""


def check_environment(folder: Path | None = None) -> tuple[dict[str, Any], list[EnvironmentCheck]]:
    """Returns facts about the environment, and what follows from them.

    Args:
        folder: the working folder to search for files that hide packages; by default the current one.
    """
    folder = folder or Path.cwd()
    facts: dict[str, Any] = {
        "python": sys.version.split()[0],
        "folder": str(folder),
        "backends": list_installed_backends(),
        "versions": get_package_versions(CHECKED_PACKAGES),
    }
    found = [
        _build_shadow_check(name, path)
        for name, path in {**find_shadowing_files(), **find_shadowing_files([folder.resolve()])}.items()
    ]
    try:
        choice = resolve_backend()
        facts |= {"backend": choice.name, "chosen_by": choice.chosen_by}
        if choice.name in facts["backends"]:
            found.append(
                EnvironmentCheck("backend", "ok", f"Keras runs on {choice.name}, chosen by {choice.chosen_by}")
            )
        else:
            evidence = f"the backend {choice.name} (chosen by {choice.chosen_by}) is not installed"
            found.append(EnvironmentCheck("backend", "error", evidence, f"pip install 'striate[{choice.name}]'"))
    except StriateError as error:
        found.append(EnvironmentCheck("backend", "error", str(error), "correct it there"))
    if not any(one.severity == "error" for one in found):
        found.append(_check_devices(facts))
    if "devices" in facts:
        found.append(_check_precision(facts))
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and threads.isdecimal() and int(threads) < (os.cpu_count() or 1):
        evidence = f"OMP_NUM_THREADS={threads}, but there are {os.cpu_count()} cores"
        found.append(EnvironmentCheck("threads", "warning", evidence, "unset OMP_NUM_THREADS"))
    return facts, found


def _build_shadow_check(name: str, path: Path) -> EnvironmentCheck:
    return EnvironmentCheck(
        "shadow",
        "error",
        f"{path} hides the package {name}: Python started in that folder imports your file instead, and fails with "
        f"\"No module named '{name}.…'; '{name}' is not a package\" or worse",
        f"mv {path.name if path.stem == name else name} my_{name}{path.suffix if path.stem == name else ''}"
        " and delete the folder __pycache__ beside it",
    )


def _check_devices(facts: dict[str, Any]) -> EnvironmentCheck:
    try:
        from striate.system.backend import list_devices
    except Exception as error:  # whatever a broken installation raises is the finding
        return EnvironmentCheck(
            "backend", "error", f"Keras cannot be imported: {error}", "pip install --force-reinstall keras"
        )
    facts["devices"] = list_devices()
    return EnvironmentCheck("devices", "ok", "it sees " + ", ".join(facts["devices"]))


def _check_precision(facts: dict[str, Any]) -> EnvironmentCheck:
    from striate.training.performance.precision import (
        LAYER_KINDS,
        MIN_BFLOAT16_GAIN,
        is_gain_possible,
        load_cached_gain,
    )

    gains = {kind: gain for kind in LAYER_KINDS if (gain := load_cached_gain(kind)) is not None}
    facts["bfloat16_gains"] = gains
    if not is_gain_possible():
        return EnvironmentCheck("arithmetic", "ok", "float32: nothing here computes in bfloat16 faster")
    if not gains:
        evidence = "the first training of more than seconds will measure whether bfloat16 is faster than float32"
        return EnvironmentCheck("arithmetic", "ok", evidence)
    shown = ", ".join(f"{kind} {gain:.2f}" for kind, gain in gains.items())
    evidence = (
        f"bfloat16 is so many times as fast as float32, by kind of layers: {shown}; used from {MIN_BFLOAT16_GAIN} on"
    )
    return EnvironmentCheck("arithmetic", "ok", evidence)
