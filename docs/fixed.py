"""The sections on what a small training costs beside its steps."""

from __future__ import annotations

from typing import Any

from text import section, spread, table


def digits_section(found: dict[str, Any]) -> list[str]:
    """Returns the whole command beside a bare Keras script."""
    titles = {"striate": "`striate train digits`, report and all", "keras": "a bare Keras script, no report"}
    rows = [
        (
            title,
            spread(found["cpu_seconds"][side], "{:.1f}"),
            spread(found["wall_seconds"][side], "{:.1f}"),
            f"{found['accuracy'][side]['median']:.2%}",
        )
        for side, title in titles.items()
    ]
    return section(
        "Scikit-learn's digits, from the shell to the report",
        "digits.py",
        (
            f"Thirty epochs of the same model with the same batches, {found['rounds']} rounds in turns, importing",
            "included; the script ends with `evaluate`. Seconds of all processors, and of the wall clock:",
        ),
        table(("", "processors, s", "wall clock, s", "test accuracy"), rows),
        f"In each pair Striate takes {spread(found['cpu_ratio'], '{:.2f}')} of the script's processor time.",
    )


def fixed_section(found: dict[str, Any]) -> list[str]:
    """Returns each phase's time, before and after where an earlier version was measured as well."""
    has_before = found["before"] is not None
    header = ("", *((f"before ({found['before']})",) if has_before else ()), "now")
    rows = [
        (
            name,
            *(spread(both[side], "{:,.0f}") if side in both else "–" for side in ("before", "after")[not has_before :]),
        )
        for name, both in found["milliseconds"].items()
    ]
    return section(
        "Fixed costs of a training",
        "fixed_costs.py --before FOLDER --commit NAME",
        (
            "What `striate train digits` (30 epochs) spends beside its steps: milliseconds of all processors, in a",
            "process that has just begun, with the same number of threads. The two versions ran in turns. Keras now",
            "comes without scikit-learn, whose import is part of reading and planning. The choice of the arithmetic,",
            "by a probe where the processor has instructions for bfloat16, was timed once.",
        ),
        table(header, rows),
    )
