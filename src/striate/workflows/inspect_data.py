"""All that can be said about a data set before a training, label suspects included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.config import replace_config
from striate.data.corrections import Correction, apply_corrections, load_corrections
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.image_set import ImageSet
from striate.data.loaders.folder import NestedMode
from striate.data.loaders.load import DataSource, load_images
from striate.data_checks.checks import Inspection, inspect_images, suggest_corrections
from striate.data_checks.finding import Finding
from striate.data_checks.label_issues import LabelIssues, build_label_issue_findings, rank_label_issues
from striate.data_checks.report_page import save_data_page
from striate.data_checks.summary import DatasetStatistics, compute_statistics
from striate.models.registry import DEFAULT_ARCHITECTURE, get_architecture
from striate.progress import NO_PROGRESS, Progress
from striate.training.auto_config import plan, preprocessing_of
from striate.training.presets import recipe_named
from striate.training.recipe import Recipe

FOLDS = 4
HELD_OUT = 500  # images at most that an epoch is chosen by


def find_suspects(
    images: ImageSet,
    *,
    recipe: str | Path | Recipe = "default",
    groups: NDArray[np.int64] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> LabelIssues:
    """Returns the images whose labels are in doubt, of all splits.

    Args:
        images: labeled images; unreadable ones are left out.
        recipe: how the judges are trained.
        groups: (n,) copies of one duplicate group have the same number; none of them is judged by a model that saw
            another.
        folds: into how many parts the images are divided; as many models are trained.
        seed: of the division and of the trainings.
        progress: shows what happens.

    Raises:
        StriateError: what training raises.
    """
    planned = plan(replace_config(recipe_named(recipe), seed=seed), images)
    decoded = decode_all(images, preprocessing_of(planned), progress=progress, use_cache=True)
    usable = decoded.images
    if groups is not None and len(usable) < len(images):
        groups = groups[np.isin(images.keys, usable.keys)]
    probabilities = out_of_fold(decoded, planned, groups=groups, folds=folds, seed=seed, progress=progress)
    return rank_label_issues(usable, probabilities)


def out_of_fold(
    decoded: DecodedSet,
    planned: Recipe,
    *,
    groups: NDArray[np.int64] | None,
    folds: int,
    seed: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Returns (n, classes) probabilities for each image by a model trained without it."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    from striate.training.fit import fit

    images, total = decoded.images, len(decoded.images)
    found = np.zeros((total, len(images.classes)))
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    division = kind(folds, shuffle=True, random_state=seed).split(np.zeros(total), images.labels, groups)
    model = get_architecture(planned.architecture or DEFAULT_ARCHITECTURE)
    for number, (learnt, judged) in enumerate(division, 1):
        progress.log(f"Judge {number} of {folds}: {len(learnt):,} images to learn from, {len(judged):,} to judge")
        chosen_by = np.random.default_rng((seed, number)).permutation(judged)[:HELD_OUT]
        trained = fit(
            DecodedSet(images.subset(learnt), decoded.pixels[learnt], {}),
            DecodedSet(images.subset(chosen_by), decoded.pixels[chosen_by], {}),
            replace_config(planned, seed=seed + number, keep="last", patience=None),
            architecture=model,
            progress=progress,
        )
        found[judged] = np.exp(trained.classifier.predict_log_probabilities(decoded.pixels[judged]))
        if trained.interrupted:
            raise KeyboardInterrupt
    return found


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
    suspects: LabelIssues | None

    @property
    def findings(self) -> list[Finding]:
        """What is remarkable, the most severe first."""
        doubts = build_label_issue_findings(self.suspects, len(self.images)) if self.suspects else []
        return [*self.inspection.findings, *doubts]

    @property
    def statistics(self) -> DatasetStatistics | None:
        """Sizes, formats and colors; None where no image can be read."""
        return compute_statistics(self.inspection.stats)

    def corrections(self) -> list[Correction]:
        """Returns what could be left out, and which labels to decide on, a row an image."""
        doubts = self.suspects.to_corrections() if self.suspects else []
        return list({one.key: one for one in [*doubts, *suggest_corrections(self.inspection)]}.values())

    def save_page(self, path: str | Path, *, command: str = "") -> None:
        """Writes a page about it: one HTML file, without a model. `command` is the one that repeats it."""
        save_data_page(Path(path), self.inspection, self.findings, label_issues=self.suspects, command=command)


def examine(
    data: DataSource,
    *,
    suspects: bool = False,
    recipe: str | Path | Recipe = "default",
    nested: NestedMode = "top",
    corrections: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> Examined:
    """Returns what is remarkable about a data set; every image is decoded, unless that was done before.

    Args:
        data: what `load_images` takes.
        suspects: look for wrong labels, too, which trains four models.
        recipe: how those are trained.
        nested: what folders within class folders are, see `load_images`.
        corrections: a list of images to leave out or to relabel first.
        data_dir: where named data sets lie or are put.
        progress: shows what happens.

    Raises:
        DataError: nothing there.
    """
    images = load_images(data, data_dir=data_dir, nested=nested, progress=progress)
    if corrections is not None:
        images = apply_corrections(images, load_corrections(Path(corrections)))
    inspection = inspect_images(images, progress=progress)
    doubted = None
    if suspects:
        doubted = find_suspects(images, recipe=recipe, groups=inspection.duplicates.group_ids, progress=progress)
    return Examined(images, inspection, doubted)
