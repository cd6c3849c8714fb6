"""All that can be said about a data set before a training, label suspects included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from striate.experiment.suspects import find_suspects
from striate.images.corrections import Correction, corrected, load_corrections
from striate.images.imageset import ImageSet
from striate.images.sources.folder import Nested
from striate.images.sources.load import Data, load_images
from striate.inspection.finding import Finding
from striate.inspection.inspect import Inspection, inspect
from striate.inspection.page.render import save_data_page
from striate.inspection.repairs import repairs
from striate.inspection.statistics import Statistics, statistics
from striate.inspection.suspects import Suspects, suspect_finding
from striate.progress import SILENT, Progress
from striate.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Examined:
    """What was found out.

    Attributes:
        images: the set, corrected as was asked.
        inspection: facts, copies, shortcuts and findings.
        suspects: labels in doubt; None where they were not looked for.
    """

    images: ImageSet
    inspection: Inspection
    suspects: Suspects | None

    @property
    def findings(self) -> list[Finding]:
        """What is remarkable, the most severe first."""
        doubts = suspect_finding(self.suspects, len(self.images)) if self.suspects else []
        return [*self.inspection.findings, *doubts]

    @property
    def statistics(self) -> Statistics | None:
        """Sizes, formats and colours; None where no picture can be read."""
        return statistics(self.inspection.survey)

    def corrections(self) -> list[Correction]:
        """Returns what could be left out, and which labels to decide on, a row a picture."""
        doubts = self.suspects.corrections() if self.suspects else []
        return list({one.key: one for one in [*doubts, *repairs(self.inspection)]}.values())

    def save_page(self, path: str | Path, *, command: str = "") -> None:
        """Writes a page about it: one HTML file, without a network. `command` is the one that repeats it."""
        save_data_page(Path(path), self.inspection, self.findings, suspects=self.suspects, command=command)


def examine(
    data: Data,
    *,
    suspects: bool = False,
    recipe: str | Path | Recipe = "default",
    nested: Nested = "top",
    corrections: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = SILENT,
) -> Examined:
    """Returns what is remarkable about a data set; every picture is decoded, unless that was done before.

    Args:
        data: what `load_images` takes.
        suspects: look for wrong labels, too, which trains four networks.
        recipe: how those are trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of pictures to leave out or to relabel first.
        data_dir: where named data sets lie or are put.
        progress: shows what happens.

    Raises:
        DataError: nothing there.
    """
    images = load_images(data, data_dir=data_dir, nested=nested, progress=progress)
    if corrections is not None:
        images = corrected(images, load_corrections(Path(corrections)))
    inspection = inspect(images, progress=progress)
    doubted = None
    if suspects:
        doubted = find_suspects(images, recipe=recipe, groups=inspection.copies.group, progress=progress)
    return Examined(images, inspection, doubted)
