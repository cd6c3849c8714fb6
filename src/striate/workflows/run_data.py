"""The images that a run was measured on, looked up again where they came from."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.image_set import ImageSet
from striate.data.loaders.load import load_images
from striate.data.prefetch import run_in_parallel
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError, ImageDecodeError, RunError
from striate.progress import NO_PROGRESS, Progress
from striate.runs.run import Run


def own_set(run: Run, *, progress: Progress = NO_PROGRESS) -> ImageSet:
    """Returns the whole image set that a run was trained from, as it is now.

    Raises:
        DataError: it was handed over in Python, or is no longer there.
    """
    about = run.manifest.data
    if about["source"] is None:
        raise DataError(f"{run.name} was trained on images handed over in Python")
    return load_images(
        about["source"], data_dir=about.get("data_dir"), nested=about.get("nested", "top"), progress=progress
    )


def own_pictures(run: Run, keys: Collection[str], *, progress: Progress = NO_PROGRESS) -> dict[str, NDArray[np.uint8]]:
    """Returns key → the image at its own size, (h, w, 1 or 3) uint8, for those that can still be read.

    Raises:
        DataError: the set is gone, or none of its images has such a name.
    """
    images = own_set(run, progress=progress)
    asked = set(keys)
    found = {}
    for index, key in enumerate(images.keys.tolist()):
        if key in asked:
            try:
                found[key] = images.read(index)
            except ImageDecodeError:
                continue
    if asked and not found:
        raise DataError(f"none of these images is in {images.name} any more")
    return found


def some_decoded(
    images: ImageSet, form: Preprocessing, most: int, *, seed: int = 0, progress: Progress = NO_PROGRESS
) -> DecodedSet:
    """Returns at most so many images, drawn at random and in the set's order, as a model sees them; those that
    cannot be read are left out.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:most])
    return decode_all(images.subset(chosen), form, progress=progress)


def refuse_other_contents(runs: Sequence[Run], keys: Collection[str], *, progress: Progress = NO_PROGRESS) -> bool:
    """Returns whether the test images of runs from different sources were found to be equal, pixel by pixel; False
    where they lie in one place, or are gone, and so cannot be compared.

    Raises:
        RunError: they differ.
    """
    if len({(str(run.manifest.data["source"]), run.manifest.data.get("data_dir")) for run in runs}) == 1:
        return False
    try:
        contents = [_contents(run, keys, progress) for run in runs]
    except DataError:
        return False
    for run, content in zip(runs[1:], contents[1:], strict=True):
        differing = sum(content.get(key) != contents[0].get(key) for key in keys)
        if differing:
            raise RunError(
                "Runs measured on different test images cannot be compared",
                received=f"{differing:,} of the {len(keys):,} images of {run.name} have the name of another in "
                f"{runs[0].name} and show something else",
                expected=f"the test images of {runs[0].name}",
            )
    return True


def _contents(run: Run, keys: Collection[str], progress: Progress) -> dict[str, str]:
    """Returns key → the digest of the image's pixels, "" where it cannot be decoded."""
    images = own_set(run, progress=progress)
    asked = set(keys)
    own = images.subset(np.array([key in asked for key in images.keys.tolist()], bool))
    found = [""] * len(own)

    def job(index: int) -> None:
        with contextlib.suppress(ImageDecodeError):
            pixels = own.read(index)
            found[index] = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()

    run_in_parallel("comparing images", len(own), job, progress)
    return dict(zip(own.keys.tolist(), found, strict=True))
