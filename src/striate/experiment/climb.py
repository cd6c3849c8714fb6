"""Climb: the trials of a ladder, every network with the first seed before any with the second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from striate.config import replace
from striate.experiment.trial import Trial
from striate.experiment.trials import Trials
from striate.models.architecture import Architecture
from striate.progress import Progress
from striate.training.recipe import Recipe


def climb(
    folder: Path,
    recipe: Recipe,
    networks: Iterable[Architecture],
    seeds: int,
    progress: Progress,
    artifacts: tuple[str, ...] = (),
) -> Trials:
    """Returns the trials of a ladder, one group a network.

    Args:
        folder: the ladder's.
        recipe: every run's; its seed is the first network's and the division's.
        networks: in the ladder's order.
        seeds: runs per network.
        progress: shows what happens.
        artifacts: names of those that each run is to have.
    """
    trials = [
        Trial(
            name=f"{network.name}-seed{seed}",
            recipe=replace(recipe, seed=seed),
            architecture=network,
            label=network.name,
            about=str(network.year),
            group=network.name,
            artifacts=artifacts,
        )
        for seed in range(recipe.seed, recipe.seed + seeds)
        for network in networks
    ]
    return Trials(folder, trials, progress, whole="ladder")


def seconds_left(trials: Trials, work: dict[str, int | None], rest: Sequence[Trial]) -> float | None:
    """Returns a guess: what a network's own run took, or what the hardest so far took, times the work; of a budget in
    minutes, as long as the longest. None while nothing comparable has been trained: a multiply-add of an mlp and one of
    a deep network take times of their own.

    Args:
        trials: a ladder's.
        work: network → multiply-adds.
        rest: those that are still to be trained.
    """
    taken = {trial.group: runs[-1] for trial in trials.trials if (runs := trials.finished(trial.group))}
    seconds = {name: run.manifest.seconds["total"] for name, run in taken.items()}
    if rest[0].recipe.minutes is not None:
        return len(rest) * max(seconds.values())
    size = {name: adds or 1 for name, adds in work.items()}
    hardest = max(seconds, key=lambda name: size[name])
    unknown = [size[trial.group] for trial in rest if trial.group not in seconds]
    if max(unknown, default=0) > 10 * size[hardest]:
        return None
    return sum(
        seconds.get(trial.group, seconds[hardest] * max(1.0, size[trial.group] / size[hardest])) for trial in rest
    )
