"""Copies of pictures, in a folder for each class that was answered."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from striate.files import sha256, writing
from striate.images.imageset import Picture
from striate.prediction import Prediction

UNSURE = "_unsure"
UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
"""What one of the usual file systems does not take in a name."""

LONGEST = 100  # characters of a folder's name
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folder_names(classes: Sequence[str]) -> dict[str, str]:
    """Returns class → a folder's name that is safe everywhere and another's nowhere, on file systems that do not tell
    capitals either.
    """
    found: dict[str, str] = {}
    taken = {UNSURE}
    for name in classes:
        safe = UNFIT.sub("_", name)[:LONGEST].rstrip(" .").lstrip(".") or "_"
        if RESERVED.fullmatch(safe):
            safe += "_"
        number, plain = 2, safe
        while safe.lower() in taken:
            safe, number = f"{plain} ({number})", number + 1
        taken.add(safe.lower())
        found[name] = safe
    return found


class Sorter:
    """Puts a copy of each picture file into the folder of its class; unsure ones into `_unsure`, broken ones nowhere.

    Args:
        folder: where the folders are put; what lies there stays.
        classes: the classifier's.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.folder, self._names = folder, folder_names(classes)
        self.copied = 0

    def __call__(self, answer: Prediction, picture: Picture | None) -> None:
        """Copies the picture that the answer is about; frames and rows of arrays are no files."""
        if answer.error is not None or not isinstance(picture, Path):
            return
        place = self.folder / (self._names[answer.label] if answer.label is not None else UNSURE)
        place.mkdir(parents=True, exist_ok=True)
        target = self._free(place, picture)
        if target is not None:
            with writing(target) as temporary:
                shutil.copyfile(picture, temporary)
        self.copied += 1

    @staticmethod
    def _free(place: Path, picture: Path) -> Path | None:
        """Returns a name that nothing has, or None where the same picture lies already."""
        target, number, digest = place / picture.name, 2, ""
        while target.exists():
            if target.stat().st_size == picture.stat().st_size:
                digest = digest or sha256(picture)
                if sha256(target) == digest:
                    return None
            target, number = place / f"{picture.stem} ({number}){picture.suffix}", number + 1
        return target
