"""The first half of the flow: from what a user names to decoded, checked, divided images and a planned recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.config import replace_config
from striate.data.augment import NO_AUGMENT
from striate.data.corrections import apply_corrections, load_corrections
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.image_set import SPLIT_NAMES, EncodedImages, ImageSet, concatenate_encoded
from striate.data.loaders.builtin import DATASETS
from striate.data.loaders.huggingface import HUB_PREFIX
from striate.data.loaders.load import DataSource, load_images
from striate.data.splits import Splits
from striate.data_checks.class_checks import detect_class_problems
from striate.data_checks.duplicates import (
    DuplicateGroups,
    build_duplicate_findings,
    find_duplicates_fast,
    find_leaked_images,
)
from striate.data_checks.file_checks import build_unreadable_findings, detect_lossy_images
from striate.data_checks.finding import Finding
from striate.data_checks.split import split_with_duplicates
from striate.errors import DataError
from striate.models.architecture import Architecture
from striate.models.pretrained import check_weights_match
from striate.models.pretrained_weights import fetch_weights
from striate.models.registry import DEFAULT_ARCHITECTURE, get_architecture
from striate.progress import Progress
from striate.system.atomic_files import write_csv
from striate.system.object_store import is_object_store_url
from striate.training.auto_config import plan, preprocessing_of
from striate.training.recipe import Recipe
from striate.training.resources import limit_threads
from striate.workflows.options import Conditions

MANY = 500
"""Images from which on decoding takes long enough for the backend to be imported beside it."""

PURPOSES = ("train on", "choose by", "measure on")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything a training needs of its images.

    Attributes:
        recipe: planned, see plan.plan.
        parts: train, validation and test, decoded, without the unreadable ones.
        broken: key → reason, of the unreadable ones.
        findings: what is remarkable about the set.
        source: how to find it again; None when it was handed over in Python.
        fingerprint: of the whole set, unreadable images included.
        leaked: keys of the test images that have a copy among those that are learned or chosen from.
        given: how they were found, corrected and divided.
        copies: key → a number that images share which show the same.
    """

    recipe: Recipe
    parts: tuple[DecodedSet, DecodedSet, DecodedSet]
    broken: dict[str, str]
    findings: tuple[Finding, ...]
    source: str | None
    fingerprint: str
    leaked: frozenset[str] = frozenset()
    given: Conditions = field(default_factory=Conditions)
    copies: Mapping[str, int] = field(default_factory=dict)

    @property
    def splits(self) -> Splits:
        """The usable images of each split."""
        return Splits(*(part.images for part in self.parts))

    def under(self, recipe: Recipe, network: Architecture | None = None) -> Prepared:
        """Returns the same decoded images for another training, its recipe planned in their form.

        Raises:
            ConfigError: the images are too small for the model.
            DataError: the recipe asks for another size or number of channels than they were decoded to.
            TrainingError: the model, at this size, does not fit the machine's memory.
        """
        form = preprocessing_of(self.recipe)
        filled = replace_config(
            recipe,
            height=recipe.height or form.height,
            width=recipe.width or form.width,
            channels=recipe.channels or form.channels,
        )
        planned = plan(filled, self.splits.train)
        if preprocessing_of(planned) != form:
            raise DataError(
                "The images were decoded to another form", received=preprocessing_of(planned), expected=form
            )
        _check_network(planned, self.splits.train, network)
        return dataclass_replace(self, recipe=planned)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Images listed and divided, none of them decoded yet.

    Attributes:
        whole: all of them.
        splits: what each is for.
        source: as in Prepared.
        copies: which of all show the same.
        findings: what is remarkable about them, as far as that can be told in a few seconds.
    """

    whole: ImageSet
    splits: Splits
    source: str | None
    copies: DuplicateGroups
    findings: tuple[Finding, ...]

    def described(self, planned: Recipe) -> str:
        """Returns what there is, and the form it will be brought to, in one line."""
        form = preprocessing_of(planned)
        sizes = ", ".join(f"{len(part):,} to {purpose}" for part, purpose in zip(self.splits, PURPOSES, strict=True))
        color = "colour" if form.channels == 3 else "grey"
        return f"{self.whole.name}: {sizes}; {form.height}×{form.width} pixels, {color}"


def gather(data: DataSource | Splits, given: Conditions, *, seed: int, progress: Progress) -> Gathered:
    """Returns the images listed, corrected, checked and divided; `seed` is the division's.

    Raises:
        DataError: nothing there, too little to divide, copies in several of the splits that the data brings, or a limit
            of unreadable images that is no share.
    """
    if not 0 <= given.max_broken <= 1:
        raise DataError(
            "The fraction of unreadable images is out of range", received=given.max_broken, expected="0 to 1"
        )
    if isinstance(data, Splits):
        if given.corrections is not None:
            raise DataError("Splits made before cannot be corrected", hint="st.train(images, corrections=…)")
        whole, splits, source = together(data), data, None
        copies = find_duplicates_fast(whole, progress=progress)
    else:
        whole = load_images(data, data_dir=given.data_dir, nested=given.nested, progress=progress)
        source = lasting(data)
        if given.corrections is not None:
            whole = apply_corrections(whole, load_corrections(Path(given.corrections)))
        splits, copies = split_with_duplicates(
            whole, validation=given.validation, test=given.test, seed=seed, progress=progress
        )
    if not copies.is_near_searched and not isinstance(whole.sources, np.ndarray):
        progress.log("Among so many images only equal copies were looked for; striate data looks for changed ones.")
    findings = (*build_duplicate_findings(whole, copies), *detect_class_problems(whole), *detect_lossy_images(whole))
    for finding in findings:
        if finding.kind == "leak" and not given.allow_leaks and source not in DATASETS:  # whose divisions are published
            raise DataError(
                f"{whole.name}: {finding.message}",
                received="; ".join(" = ".join(one) for one in finding.file_groups[:3]),
                hint="striate data DATA --fix, then --corrections; or --allow-leaks",
            )
        progress.log(finding.line)
    return Gathered(whole, splits, source, copies, findings)


def prepare(
    data: DataSource | Splits,
    recipe: Recipe,
    given: Conditions,
    *,
    network: Architecture | None = None,
    progress: Progress,
) -> Prepared:
    """Returns the images, ready to train on; `network` is the one to be trained where that is certain already.

    Raises:
        ConfigError: the images are too small for the model.
        DataError: nothing there, too little, too much of it unreadable, or leaks between given splits.
        TrainingError: the model, at this size, does not fit the machine's memory.
        WeightsError: pretrained weights that are at hand are not what their name says.
    """
    found = gather(data, given, seed=recipe.seed, progress=progress)
    planned = plan(recipe, found.splits.train)
    _check_network(planned, found.splits.train, network)
    if recipe.pretrained is None and planned.pretrained == "imagenet":  # else the caller has looked
        chosen = get_architecture(planned.architecture or DEFAULT_ARCHITECTURE)
        check_weights_match(chosen, fetch_weights("imagenet", chosen.name, progress=progress))
    weights = "" if planned.weights is None else ", with pretrained weights,"
    further = f" and {planned.fine_tune} of fine-tuning" if planned.fine_tune else ""
    length = f"at most {planned.epochs} epochs{further}" if planned.minutes is None else f"{planned.minutes:g} minutes"
    progress.log(
        f"{planned.architecture}{weights} on {found.described(planned)}; {length} in batches of {planned.batch}"
    )
    if planned.augment == NO_AUGMENT and recipe.augment not in (NO_AUGMENT, "none", "auto", "classic"):
        progress.log(
            "The pretrained layers rest and look at every image once, unchanged: --augment is for --fine-tune."
        )
    limit_threads(planned)
    if len(found.whole) >= MANY:
        from striate.system.backend import start_import

        start_import()
    return decode(found, planned, given, progress=progress)


def decode(found: Gathered, planned: Recipe, given: Conditions, *, progress: Progress) -> Prepared:
    """Returns the images decoded as the planned recipe says, and checked.

    Raises:
        DataError: too much of it unreadable.
    """
    splits, form = found.splits, preprocessing_of(planned)
    train, chosen_by, measured_on = (decode_all(part, form, progress=progress, use_cache=True) for part in splits)
    parts = (train, chosen_by, measured_on)
    if known := sum(len(part.images) for part in parts if part.is_cached):
        progress.log(f"{known:,} images are known, decoded, from an earlier run.")
    broken = {key: reason for part in parts for key, reason in part.decode_errors.items()}
    _check_readable(splits, parts, broken, given.max_broken)
    unreadable = build_unreadable_findings(found.whole, broken)
    for finding in unreadable:
        progress.log(finding.line)
    return Prepared(
        planned,
        parts,
        broken,
        (*unreadable, *found.findings),
        found.source,
        found.whole.compute_fingerprint(),
        frozenset(found.whole.keys[find_leaked_images(found.whole, found.copies)].tolist()),
        given,
        dict(zip(found.whole.keys.tolist(), found.copies.group_ids.tolist(), strict=True)),
    )


def _check_network(planned: Recipe, train: ImageSet, network: Architecture | None) -> None:
    from striate.training.resources import refuse_unfit

    refuse_unfit(network or get_architecture(planned.architecture or DEFAULT_ARCHITECTURE), len(train.classes), planned)


def save_broken(broken: dict[str, str], path: Path) -> None:
    """Writes one row per unreadable image: key, reason."""
    write_csv(path, ("key", "reason"), broken.items())


def _check_readable(splits: Splits, decoded: tuple[DecodedSet, ...], broken: dict[str, str], limit: float) -> None:
    total = sum(map(len, splits))
    if len(broken) > limit * total:
        some = "; ".join(f"{key}: {reason}" for key, reason in list(broken.items())[:3])
        raise DataError(
            f"{len(broken):,} of {total:,} images cannot be read, more than the limit of {limit:.0%}",
            received=some + (" …" if len(broken) > 3 else ""),
            hint=f"repair them (striate data lists all), or --max-broken {min(1, len(broken) / total + 0.01):.2f}",
        )
    for part, purpose in zip(decoded, PURPOSES, strict=True):
        counts = part.images.count_by_class()
        empty = [label for label, number in counts.items() if not number]
        if not any(counts.values()) or (empty and part is decoded[0]):
            raise DataError(
                f"The class {empty[0]!r} has no readable image to {purpose}",
                hint="add images, or remove the class",
            )


def lasting(data: DataSource) -> str | None:
    """Returns how the data can be found again from any working folder; None when it was handed over in Python."""
    if not isinstance(data, str | Path):
        return None
    is_name = isinstance(data, str) and (data in DATASETS or data.startswith(HUB_PREFIX) or is_object_store_url(data))
    return str(data) if is_name else str(Path(data).resolve())


def together(splits: Splits) -> ImageSet:
    """Returns all images of splits made before, each given to the split that it is in."""
    sources: Any
    if isinstance(splits.train.sources, np.ndarray):
        sources = np.concatenate([np.asarray(part.sources) for part in splits])
    elif isinstance(splits.train.sources, EncodedImages):
        sources = concatenate_encoded([part.sources for part in splits if isinstance(part.sources, EncodedImages)])
    else:
        sources = [image for part in splits for image in part.sources]
    return dataclass_replace(
        splits.train,
        labels=np.concatenate([part.labels for part in splits]),
        keys=np.concatenate([part.keys for part in splits]),
        splits=np.repeat(np.array(SPLIT_NAMES), [len(part) for part in splits]),
        sources=sources,
    )
