"""Why a goal is not reached: the profile, and what was tried. A paragraph for each, its figures computed."""

from __future__ import annotations

from collections.abc import Callable

from goals import Results, missed

STEPS = "short training, seconds"


def limits(results: Results) -> list[str]:
    """Returns the section as Markdown, nothing where every goal is reached."""
    names = missed(results)
    parts = [made(results) for name, made in REASONS.items() if name in names]
    paragraphs = [line for part in parts if part for line in ("", part)]
    return ["## Goals that are not reached", *paragraphs] if paragraphs else []


def _digits(results: Results) -> str:
    found = results.get("where_time_goes")
    if found is None:
        return ""
    parts = {name: one["median"] for name, one in found[STEPS].items()}
    steps = next(seconds for name, seconds in parts.items() if name.endswith("steps"))
    step = found["steps"]["fast-digits"]
    forward, both, whole = (step["milliseconds"][part] for part in ("forward", "forward and back", "step"))
    idle = step["of_the_gemm_peak"]["median"]
    return (
        f"**MNIST, ten times as fast in training alone.** A training of 160 steps takes {parts['whole']:.1f} s, "
        f"{steps:.1f} s of them its steps; building, tracing and validation take the rest, which ten epochs hide. "
        f"A step of {whole:.1f} ms is {forward:.1f} ms forward and {both - forward:.1f} ms back: in so small a model "
        f"the arithmetic is mostly idle ({idle:.0%} of a large matrix product's speed). Tried without gain: SGD, "
        "larger batches and fewer steps, 64 units in the dense layer, TensorFlow's graph optimisation off, other "
        "shifts. What gained is in: variables made before a step is traced, the fused batch-norm, groups of batches."
    )


def _answers(results: Results) -> str:
    rows = results["answers"]["folder"]
    both = [one["of_both"]["median"] for one in rows.values()]
    fractions = []
    for name, one in rows.items():
        decoding, model = one["images_per_second"]["decoding"], one["images_per_second"]["network"]
        fractions.append(f"{name} {1 / (1 / decoding + 1 / model) / min(decoding, model):.0%}")
    return (
        "**A folder, at 90 % of the slower part.** Decoding alone fills all cores, and so does the model alone; one "
        f"after the other they leave at most {', '.join(fractions)} of the slower one's speed. Of that, "
        f"{min(both):.0%} to {max(both):.0%} are reached. A model on a GPU would leave the cores alone."
    )


def _step(results: Results) -> str:
    counted, again = results.get("step_counting"), results.get("step_again")
    if counted is None or again is None:
        return ""
    rows = {name: one for name, one in results["step_efficiency"]["results"].items() if one["reached"]["median"] < STEP}
    short = ", ".join(f"{_plain(name)} {_spread(one['reached'])}" for name, one in rows.items())
    alike = [one["counting_costs"]["median"] for one in counted["results"].values()]
    longer = ", ".join(f"{_plain(name)} {_spread(one['reached'])}" for name, one in again["results"].items())
    beside = ", ".join(
        f"{_plain(name)} {_spread(one['reached_of_counting'])}" for name, one in counted["results"].items()
    )
    return (
        f"**The training step, at 95 % of a loop that does nothing else.** Below it: {short}. How much of that is the "
        "machine: the bare loop with two counters more, which is nearly the same arithmetic, measured "
        f"{min(alike):.0%} to {max(alike):.0%} of itself without them. {again['rounds']} rounds instead of "
        f"{results['step_efficiency']['rounds']} gave {longer}. Beside the loop that counts right predictions and "
        "losses, "
        f"as a training must: {beside}. What a training does besides, between groups of steps, is progress, the look "
        "for NaN, and stopping when asked."
    )


def _spread(found: dict[str, float]) -> str:
    return f"{found['median']:.0%} [{found['min']:.0%}, {found['max']:.0%}]"


def _plain(name: str) -> str:
    return name.replace("mixed_", "").replace(", ", " in ")


STEP = 0.95
REASONS: dict[str, Callable[[Results], str]] = {"race_digits": _digits, "step_efficiency": _step, "answers": _answers}
"""Name of a result → why a goal of it is not reached."""
