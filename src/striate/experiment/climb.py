"""Climb: one network after the other is trained; what one cannot do does not stop the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from striate.config import replace
from striate.drawing import percent
from striate.errors import StriateError
from striate.experiment.flow import train
from striate.experiment.pictures import Prepared
from striate.models.architecture import Architecture
from striate.progress import Labelled, Progress
from striate.runs import Run
from striate.signals import hearing_signals
from striate.training.recipe import Recipe

Job = tuple[Architecture, int]
"""A network and a seed."""


class Climb:
    """The runs of a ladder, some of them there already.

    Args:
        folder: the ladder's.
        recipe: every run's; its seed is the first network's and the division's.
        networks: in the ladder's order.
        seeds: runs per network.
        progress: shows what happens.

    Attributes:
        failed: network → why it could not be trained.
        interrupted: whether a signal ended the climb.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, networks: Iterable[Architecture], seeds: int, progress: Progress
    ) -> None:
        self.folder, self.recipe, self.progress = folder, recipe, progress
        self.seeds = range(recipe.seed, recipe.seed + seeds)
        self.jobs: list[Job] = [(network, seed) for network in networks for seed in self.seeds]
        self.jobs.sort(key=lambda job: job[1])  # every network with the first seed before any with the second
        self.failed: dict[str, str] = {}
        self.interrupted = False

    def run(self, network: Architecture, seed: int) -> Run:
        """Returns the run of a network and a seed, which may not be there."""
        return Run(self.folder / f"{network.name}-seed{seed}")

    def finished(self, network: Architecture) -> list[Run]:
        """Returns the network's runs that are there and whole."""
        return [run for seed in self.seeds if (run := self.run(network, seed)).state == "finished"]

    def missing(self) -> list[Job]:
        """Returns what is still to be trained."""
        return [job for job in self.jobs if self.run(*job).state != "finished"]

    def train(
        self, pictures: Prepared, *, data_dir: str | Path | None, command: str, work: dict[str, int | None]
    ) -> None:
        """Trains what is missing.

        Args:
            pictures: for all of them.
            data_dir: for the runs' manifests.
            command: the same.
            work: network → multiply-adds, to guess the time left by.
        """
        from striate.training.loop import explained

        missing = self.missing()
        if len(missing) < len(self.jobs):
            self.progress.say(f"{len(self.jobs) - len(missing)} of {len(self.jobs)} runs are there already.")
        for position, (network, seed) in enumerate(missing):
            if network.name in self.failed:
                continue
            run = self.run(network, seed)
            if run.path.exists():  # what an interrupted, killed or failed training left
                shutil.rmtree(run.path)
            number = f"{self.jobs.index((network, seed)) + 1}/{len(self.jobs)}"
            try:
                with hearing_signals(self._stop), explained(self.recipe):
                    self.progress.say(f"{number}  {run.name}, {network.year}")
                    train(
                        pictures,
                        architecture=network,
                        recipe=replace(self.recipe, seed=seed),
                        name=run.name,
                        runs=self.folder,
                        data_dir=data_dir,
                        progress=Labelled(self.progress, f"{number} {network.name}"),
                        command=command,
                    )
            except KeyboardInterrupt:
                self.interrupted = True
            except OSError:  # a full disk would end every training
                raise
            except Exception as error:  # whatever it is, the other networks may not know it
                self._fail(network, run, error)
            if self.interrupted:
                break
            self._say_result(run, missing[position + 1 :], work)

    def _stop(self) -> None:
        self.interrupted = True
        self.progress.say("The ladder ends with this run; once more to end it at once.")

    def _fail(self, network: Architecture, run: Run, error: Exception) -> None:
        """Notes why a network could not be trained; of its run only what has a manifest stays."""
        foreign = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        reason = str(error) if isinstance(error, StriateError) else foreign
        self.failed[network.name] = reason
        if run.path.exists() and run.state == "unfinished":
            shutil.rmtree(run.path)
        self.progress.say(f"{network.name} failed: {reason}")

    def _say_result(self, run: Run, rest: Sequence[Job], work: dict[str, int | None]) -> None:
        if run.state != "finished":
            return
        report = run.report
        line = f"{run.name}: {percent(report.accuracy, 2)} of {report.n:,} test pictures"
        left = self._seconds_left(rest, work)
        if left:
            line += f"; roughly {max(1, round(left / 60))} min left"
        self.progress.say(line)

    def _seconds_left(self, rest: Sequence[Job], work: dict[str, int | None]) -> float | None:
        """Returns a guess: what a network's own run took, or what the hardest so far took, times the work; of a budget
        in minutes, as long as the longest. None while nothing comparable has been trained: a multiply-add of an mlp
        and one of a deep network take times of their own.
        """
        taken = {network.name: runs[-1] for network, _ in self.jobs if (runs := self.finished(network))}
        seconds = {name: run.manifest.seconds["total"] for name, run in taken.items()}
        if self.recipe.minutes is not None:
            return len(rest) * max(seconds.values())
        size = {name: adds or 1 for name, adds in work.items()}
        hardest = max(seconds, key=lambda name: size[name])
        unknown = [size[network.name] for network, _ in rest if network.name not in seconds]
        if max(unknown, default=0) > 10 * size[hardest]:
            return None
        return sum(
            seconds.get(network.name, seconds[hardest] * max(1.0, size[network.name] / size[hardest]))
            for network, _ in rest
        )
