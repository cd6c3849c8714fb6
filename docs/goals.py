"""The table of goals at the head of docs/performance.md: what was to be reached, what was, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Results = dict[str, dict[str, Any]]
"""Name of a result → its document."""

Row = tuple[str, str, str, bool]
"""Work, goal, figures, and whether they reach it."""


def missed(results: Results) -> set[str]:
    """Returns the names of results of which a goal is not reached."""
    return {name for name, made, _ in GOALS if name in results and not all(row[3] for row in made(results[name]))}


def goals(results: Results) -> list[str]:
    """Returns the table as Markdown; a goal whose benchmark left no result is not mentioned."""
    lines = [
        "## Goals",
        "",
        "| work | goal | measured | reached | command |",
        "|---|---|---|---|---|",
    ]
    rows = [(row, f"`{command}`") for name, made, command in GOALS if name in results for row in made(results[name])]
    rows += [(row, "those of the races") for row in _budgets(results)]
    for (work, goal, measured, is_reached), command in rows:
        lines.append(f"| {work} | {goal} | {measured} | {'yes' if is_reached else 'no'} | {command} |")
    return lines


def _budgets(results: Results) -> Iterator[Row]:
    """Yields how well `--minutes` was kept, and how long the models waited for images, in all the races."""
    races = [found for name, found in results.items() if name.startswith("race_")]
    asked = [
        (float(command.split("--minutes ")[1].split()[0]) * 60, found["sides"][name]["seconds"]["training"]["range"])
        for found in races
        for name, command in found["commands"].items()
        if "--minutes" in command and name in found["sides"]
    ]
    if asked:
        fractions = [seconds / budget for budget, seen in asked for seconds in seen]
        figures = f"{min(fractions):.0%} to {max(fractions):.0%} of it"
        yield ("`--minutes`", "within 10 %", figures, min(fractions) >= 0.9 and max(fractions) <= 1.1)
    waits = [one["waiting"] for found in races for row in found["rounds"] for one in row.values() if "waiting" in one]
    if waits:
        figures = f"at most {max(waits):.1%} of an epoch"
        yield ("Waiting for images, from the second epoch on", "under 3 %", figures, max(waits) < 0.03)


def _digits(found: dict[str, Any]) -> Iterator[Row]:
    training, command = (found["ratios"]["short"][name] for name in ("training, peer's to the goal", "command"))
    yield ("MNIST to 98.8 %, training alone", "10 times as fast", f"{training:.1f} times", training >= 10)
    yield ("MNIST to 98.8 %, whole command", "8 times as fast", f"{command:.1f} times", command >= 8)
    yield _within("MNIST in the tutorial's time", found, "long", 0.995)


def _start_up(found: dict[str, Any]) -> Iterator[Row]:
    for name, one in found["ratios"].items():
        goal = f"at most {one['goal']:g} times `{one['peer']}`, processor time"
        yield (name[0].upper() + name[1:], goal, f"{one['ratio']:.2f} times", one["ratio"] <= one["goal"])
    seconds = found["seconds"]["striate train digits --recipe typo"]["median"]
    yield (
        "An error that needs no backend",
        f"{found['error_goal_seconds']:g} s",
        f"{seconds:.2f} s",
        seconds <= found["error_goal_seconds"],
    )


def _clothes(found: dict[str, Any]) -> Iterator[Row]:
    training, accuracy = found["ratios"]["short"]["training"], _mean(found, "short")
    figures = f"{training:.1f} times, {accuracy:.2%}"
    is_reached = training >= 6 and accuracy >= found["goal"]
    yield (
        "Fashion-MNIST to 92.05 %, training alone",
        "6 times as fast as the tutorial's 20 epochs",
        figures,
        is_reached,
    )
    yield _within("Fashion-MNIST in the tutorial's time", found, "long", 0.94)


def _cats_dogs(found: dict[str, Any]) -> Iterator[Row]:
    yield _within("Cats and dogs from scratch, in the tutorial's time", found, "short", 0.85)
    seconds, accuracy = found["sides"]["long"]["seconds"]["training"]["median"], _mean(found, "long")
    is_reached = accuracy >= 0.92 and seconds <= 1200
    yield ("Cats and dogs from scratch", "92 % within 20 minutes", f"{accuracy:.2%} in {_minutes(seconds)}", is_reached)


def _cifar10(found: dict[str, Any]) -> Iterator[Row]:
    seconds, accuracy = found["sides"]["long"]["seconds"]["training"]["median"], _mean(found, "long")
    figures = f"{accuracy:.2%} in {_minutes(seconds)}"
    if "peer" in found["sides"]:
        figures += f"; Keras' ResNet-20 example {_mean(found, 'peer'):.2%} after 15 min"
    work = "CIFAR-10 (lossy copy) from scratch"
    yield (work, "90 % within 15 minutes", figures, accuracy >= 0.9 and seconds <= 900)


def _within(work: str, found: dict[str, Any], entry: str, goal: float) -> Row:
    """Returns the row of an accuracy that is to be reached while the peer trains."""
    accuracy, ratio = _mean(found, entry), found["ratios"][entry]["training"]
    figures = f"{accuracy:.2%} in {1 / ratio:.2f} of its time"
    return (work, f"{goal:.1%}", figures, accuracy >= goal and ratio >= 1)


def _lowest(work: str, figure: str, goal: float, form: str) -> Callable[[dict[str, Any]], Iterator[Row]]:
    """Returns the row of a ratio that every model is to reach."""

    def rows(found: dict[str, Any]) -> Iterator[Row]:
        ratios = {name: one[figure]["median"] for name, one in found["results"].items()}
        figures = ", ".join(f"{name.replace('mixed_', '')} {form.format(ratio)}" for name, ratio in ratios.items())
        yield (work, form.format(goal), figures, min(ratios.values()) >= goal)

    return rows


def _answers(found: dict[str, Any]) -> Iterator[Row]:
    times = {name: one["times_the_bare_network"]["median"] for name, one in found["one"].items()}
    figures = ", ".join(f"{name} {ratio:.2f}" for name, ratio in times.items())
    yield ("One image from Python", "at most 2 times the bare model", figures, max(times.values()) <= 2)
    fractions = {name: one["reached"]["median"] for name, one in found["folder"].items()}
    figures = ", ".join(f"{name} {fraction:.0%}" for name, fraction in fractions.items())
    yield ("A folder", "90 % of min(decoding, model)", figures, min(fractions.values()) >= 0.9)


def _mean(found: dict[str, Any], side: str) -> float:
    return float(found["sides"][side]["accuracy"]["mean"])


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def _shell(found: dict[str, Any]) -> Iterator[Row]:
    ratio = found["cpu_ratio"]["median"]
    work = "`striate train digits`, shell to report, beside a bare Keras script"
    yield (work, "at most 0.70 of its processor time", f"{ratio:.2f}", ratio <= 0.7)


GOALS: tuple[tuple[str, Callable[[dict[str, Any]], Iterator[Row]], str], ...] = (
    ("start_up", _start_up, "python benchmarks/start_up.py"),
    ("race_digits", _digits, "python benchmarks/race.py digits DATA"),
    ("race_clothes", _clothes, "python benchmarks/race.py clothes DATA"),
    ("race_cats_dogs", _cats_dogs, "python benchmarks/race.py cats_dogs DATA"),
    ("race_cifar10", _cifar10, "python benchmarks/race.py cifar10 DATA --seeds 3 --rounds 1"),
    (
        "step_efficiency",
        _lowest("Training step beside a hand-written loop", "reached", 0.95, "{:.0%}"),
        "python benchmarks/step_efficiency.py",
    ),
    (
        "pytorch",
        _lowest("Images a second beside PyTorch, best precision each", "times_as_fast", 1.0, "{:.2f}"),
        "python benchmarks/pytorch.py",
    ),
    ("answers", _answers, "python benchmarks/answers.py DATA"),
    ("digits", _shell, "python benchmarks/digits.py"),
)
"""Result, its rows, and the command that measures it."""
