"""What the computer and its software are, for manifests and benchmarks."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.system.backend_choice import get_package_version

RECORDED_PACKAGES = (
    "striate",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "scikit-learn",
)
"""Distributions whose versions a run records."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "MKL_NUM_THREADS",
    "XLA_FLAGS",
)
"""Variables of the environment that change in how many parts, and so in which order, a backend adds up."""

CGROUP_MEMORY_FILE = Path("/sys/fs/cgroup/memory.max")
"""Where Linux tells a container how much memory it may use, bytes."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux describes the processors."""


def get_package_versions(packages: Sequence[str] = RECORDED_PACKAGES) -> dict[str, str]:
    """Returns package → version for those of `packages` that are installed."""
    return {package: version for package in packages if (version := get_package_version(package))}


def measure_memory() -> int:
    """Returns the memory in bytes that this process may use, the machine's or its container's; 0 where the system does
    not say.
    """
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        return min(whole, int(CGROUP_MEMORY_FILE.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return whole


def describe_threads() -> dict[str, str]:
    """Returns what decides how many threads a backend computes with: cores, and variables of the environment."""
    limits = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    return {"cores": str(describe_machine()["cores"]), **limits}


def describe_machine() -> dict[str, Any]:
    """Returns what the computer is: system, processor, cores, memory in GiB, Python."""
    return {
        "system": platform.system(),
        "processor": _get_cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(measure_memory() / 2**30, 1),
        "python": platform.python_version(),
    }


def read_cpu_features() -> frozenset[str] | None:
    """Returns the processor's instruction sets by Linux's names, such as `avx512f` or, on ARM, `bf16`; None where the
    system does not list them.
    """
    words = _read_cpuinfo("flags", "Features")
    return None if words is None else frozenset(words.split())


def _get_cpu_name() -> str:
    return _read_cpuinfo("model name") or platform.processor() or platform.machine()


def _read_cpuinfo(*keys: str) -> str | None:
    """Returns what Linux says of the first processor under the first of the names that it uses; None without that."""
    try:
        with CPUINFO.open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith(keys))
    except (OSError, StopIteration):
        return None
