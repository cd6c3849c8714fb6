"""RunStore: a folder of runs."""

from __future__ import annotations

import re
from pathlib import Path

from striate.errors import RunError, find_nearest_name
from striate.runs.run import Run

REPEAT_FILE = "repeated.json"
"""In the folder of runs that `repeat` made: its plan and results."""


class RunStore:
    """A folder of runs.

    Args:
        root: the folder; made when the first run is.
    """

    def __init__(self, root: Path | str = "runs") -> None:
        self.root = Path(root)

    def check_name(self, name: str | None) -> None:
        """Raises RunError when a run of that name could not be made; to be called before long work."""
        if name is None:
            return
        if not re.fullmatch(r"[\w][\w.+-]{0,99}", name):
            raise RunError(
                "Not a name for a run",
                received=name,
                expected="letters, digits, '.', '_', '+' and '-', at most 100",
            )
        if (self.root / name).exists():
            raise RunError("A run of that name is there already", received=self.root / name, hint="another --name")

    def create(self, name: str | None, name_prefix: str) -> Run:
        """Returns a new run in an empty folder: `name`, or `name_prefix` and the next free number.

        Raises:
            RunError: the name is taken, or the folder cannot be made.
        """
        self.check_name(name)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if name is not None:
                (self.root / name).mkdir()
                return Run(self.root / name)
            name_prefix = re.sub(r"[^\w.+-]+", "-", name_prefix).strip("-.") or "run"
            number = 1
            while True:
                try:
                    (self.root / f"{name_prefix}-{number}").mkdir()
                    return Run(self.root / f"{name_prefix}-{number}")
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise RunError(f"The run's folder cannot be made: {error.strerror}", received=self.root) from None

    def list(self) -> list[Run]:
        """Returns the runs, oldest first."""
        if not self.root.is_dir():
            return []
        found = [path for path in self.root.iterdir() if (path / "recipe.json").is_file()]
        return [Run(path) for path in sorted(found, key=lambda path: (path / "recipe.json").stat().st_mtime)]

    def find(self, name: str | Path) -> Run:
        """Returns the run meant by a path or by a name below the root.

        Raises:
            RunError: no such run; the nearest name is suggested.
        """
        for path in (Path(name), self.root / name):
            if (path / "recipe.json").is_file():
                return Run(path)
        raise RunError(
            "There is no such run",
            received=name,
            expected=f"a run's folder, or the name of one in {self.root} (striate runs lists them)",
            hint=find_nearest_name(str(name), [run.name for run in self.list()]),
        )
