"""Sections of docs/performance.md about what is shipped: a prediction, and a server."""

from __future__ import annotations

import textwrap
from typing import Any

from text import section, spread, table


def shipping_section(found: dict[str, Any]) -> list[str]:
    """Returns what one prediction takes from Python."""
    rows = []
    for name, one in found["results"].items():
        times = (f"{one['ms'][way]['median']:.2f}" for way in ("onnxruntime", "exported_predict", "keras_predict"))
        over = (spread(one["over_bare"][way], "{:.2f}") for way in ("exported_probabilities", "exported_predict"))
        rows.append((name, *times, *over, f"{one['times_faster_than_keras']['median']:.0f}"))
    header = ("", "bare ONNX Runtime", "`predict`", "Keras' `predict`", "`probabilities` by bare", "`predict` by bare")
    return section(
        "An exported classifier",
        "shipping.py",
        "One image at a time from Python, milliseconds and ratios; `predict` decodes, ranks and names besides:",
        table((*header, "times as fast as Keras"), rows),
        f"A process that loads it and predictions a PNG, from start to end: {found['start_up_s']['median']:.2f} s.",
    )


def serving_section(found: dict[str, Any]) -> list[str]:
    """Returns what a server takes, and how it takes what upsets it."""
    rows = found["rows"]
    load = rows["throughput"]
    speeds = []
    for name in ("cnn", "mobilenet_v2"):
        one = load[name]
        each = (f"{one[way]['median']:,.0f}" for way in ("one_by_one_per_s", "at_once_per_s", "served_per_s"))
        speeds.append((name, *each, *(spread(one[way], "{:.0%}") for way in ("of_one_by_one", "of_at_once"))))
    header = ("", "one by one", "at once", "served", "served, of one by one", "of at once")
    about = textwrap.wrap(
        f"Small PNGs a second, for {load['clients']} clients ({load['client']}); and the same images decoded and "
        "answered in a process without a server: one by one, and at once (decoding ahead, in batches). Server and "
        "clients share the cores; to take a request costs the same for a small model and a large one. `cnn` is on "
        f"28×28, MobileNetV2 on 128×128. Of {load['distinct_pictures']:,} distinct images {load['wrong_answers']} "
        f"got another answer than alone, while {load['requests_left']:,} requests were left by their clients.",
        width=120,
    )
    return section(
        "A server",
        "serving.py DATA",
        about,
        table(header, speeds),
        table(("test", "found", "goal"), [(name, told(rows[name]), rows[name]["goal"]) for name, told in TOLD.items()]),
    )


def _overload(row: dict[str, Any]) -> str:
    return (
        f"{row['asked_per_s']:.0f} requests a second, capacity {row['capacity_per_s']:.0f}: {row['accepted']:,} "
        f"accepted, p99 {row['accepted_p99_ms']:,.0f} ms (bound {row['accepted_bound_ms']:,.0f}); {row['refused']:,} "
        f"refused, p99 {row['refused_p99_ms']:.0f} ms; normal again after {row['recovered_after_s']:.1f} s"
    )


def _malformed(row: dict[str, Any]) -> str:
    return (
        f"{row['requests']:,} requests of {row['kinds']} kinds: {row['wrong']} not refused as they should be; "
        f"{row['memory_mb']['growth']:.0f} MB"
    )


def _ends(row: dict[str, Any]) -> str:
    return (
        f"{row['lost']} of {row['requests']:,} requests lost at {row['ends']} ends; exit after at most "
        f"{row['exit_s']['max']:.1f} s"
    )


def _swaps(row: dict[str, Any]) -> str:
    return (
        f"{row['swaps']}, {row['damaged_refused']} of them to a damaged file: {row['wrong']} of {row['requests']:,} "
        "replies wrong"
    )


def _soak(row: dict[str, Any]) -> str:
    memory, files = row["memory_mb"], row["files"]
    return (
        f"{row['seconds'] / 60:.0f} minutes, {row['answered']:,} answered, {row['lost'] + row['refused']} lost or "
        f"refused; memory {memory['first']:.0f} to {memory['last']:.0f} MB, its line "
        f"{row['growth_of_fitted_line_mb']:+.1f} MB; open "
        f"files {files['first']} to {files['last']}"
    )


TOLD = {
    "overload": _overload,
    "malformed": _malformed,
    "ends": _ends,
    "swaps": _swaps,
    "soak": _soak,
}
