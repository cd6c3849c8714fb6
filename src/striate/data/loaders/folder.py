"""A folder per class, with or without split folders above."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

import numpy as np

from striate.data.image_set import ImageSet
from striate.errors import DataError

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "training_set": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validation_set": "validation",
    "test": "test",
    "testing": "test",
    "test_set": "test",
}
"""Folder names, in lower case, that stand for a split rather than a class."""

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})
"""Files that operating systems leave in image folders (beside those whose name begins with a dot)."""


HIDDEN_FOLDER_PREFIXES = (".", "__MACOSX", "@eaDir")
"""How the names of folders begin that hold a program's own files: checkpoints, thumbnails, resource forks."""


NestedMode = Literal["top", "path"]
"""What folders below a class's folder are: `top`: more of the same class; `path`: classes of their own, each folder
with images in it one, named by its path (`mammals/cat`)."""


def load_folder(root: Path, *, nested: NestedMode = "top") -> ImageSet:
    """Returns the images of `root/CLASS/…`, or of `root/{train,val,test}/CLASS/…` with their splits.

    Every regular file counts as an image, whatever its name, except litter and files whose name says that they are
    something else (`labels.txt`); those are listed in `ignored`. Whether a file really is an image is told by its
    content, when it is decoded. Hidden folders are not entered, nor are links to folders below a class folder; links
    that lead out of the root are listed in `ignored`.

    Args:
        root: the folder.
        nested: what folders within class folders are.

    Raises:
        DataError: no class folder, no image, a class whose folder is empty, or split folders without classes.
    """
    inside = LinkPolicy(root)
    parts = _find_split_folders(root, inside) or {"": [root]}
    files: list[tuple[str, str, Path]] = []  # split, class, path
    ignored: list[str] = []
    classes: set[str] = set()
    for split, folders in parts.items():
        for top, class_folder in ((folder, child) for folder in folders for child in _list_folders(folder, inside)):
            if nested == "top":
                classes.add(_build_key(class_folder, top))
            for path in list_files(class_folder, inside):
                if is_non_image_name(path):
                    ignored.append(_build_key(path, root))
                else:
                    files.append((split, _build_key(class_folder if nested == "top" else path.parent, top), path))
    ignored += [_build_key(path, root) for path in inside.outside_links]
    names = sorted(classes | {name for _, name, _ in files})
    _check_folder(root, names, files, inside)
    place = {name: index for index, name in enumerate(names)}
    return ImageSet(
        name=root.resolve().name,
        classes=tuple(names),
        labels=np.array([place[name] for _, name, _ in files], np.int32),
        keys=np.array([_build_key(path, root) for _, _, path in files], np.str_),
        sources=[path for _, _, path in files],
        splits=np.array([split for split, _, _ in files], "U10"),
        ignored_files=tuple(ignored),
    )


class LinkPolicy:
    """What may be followed within a folder: links whose targets lie in it as well, and do not hold the link itself.

    Args:
        root: the folder.

    Attributes:
        outside_links: links that were not followed, since they lead elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.outside_links: list[Path] = []

    def allow_link(self, link: str) -> bool:
        """Returns whether a link may be followed, and notes it if not."""
        target = os.path.realpath(link)
        is_within = target.startswith(self.root.rstrip(os.sep) + os.sep)
        if not is_within and Path(link) not in self.outside_links:
            self.outside_links.append(Path(link))
        return is_within and not os.path.realpath(os.path.dirname(link)).startswith(target + os.sep)  # noqa: PTH120


def _find_split_folders(root: Path, link_policy: LinkPolicy) -> dict[str, list[Path]] | None:
    """Returns split → folders when `root` is laid out by splits: a training folder that holds class folders.

    (A class may be called "train", as a vehicle is; its folder then holds images, not folders.)
    """
    found: dict[str, list[Path]] = {}
    for folder in _list_folders(root, link_policy):
        split = SPLIT_ALIASES.get(folder.name.lower())
        if split and _list_folders(folder, link_policy):
            found.setdefault(split, []).append(folder)
    return found if "train" in found else None


def _build_key(path: Path, root: Path) -> str:
    """Returns the path below `root` as text that any file can hold; names may be bytes that are not UTF-8."""
    name = path.as_posix().removeprefix(f"{root.as_posix().rstrip('/')}/" if root.parts else "")
    return name.encode("utf-8", "backslashreplace").decode()


def _list_folders(folder: Path, link_policy: LinkPolicy) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.is_dir()
            and not entry.name.startswith(HIDDEN_FOLDER_PREFIXES)
            and (not entry.is_symlink() or link_policy.allow_link(entry.path))
        )


def list_files(folder: Path, link_policy: LinkPolicy | None = None) -> list[Path]:
    """Returns the regular files below `folder`, sorted; never a pipe or a device, which could block for ever, and
    nothing below hidden folders.

    Args:
        folder: where to begin.
        link_policy: says which links are followed; all of them without it.
    """
    found: list[Path] = []
    below = [os.fspath(folder)]
    while below:
        inner = []
        with contextlib.suppress(OSError), os.scandir(below.pop()) as entries:  # a folder that may not be read
            for entry in sorted(entries, key=lambda one: one.name):
                if _is_file(entry):
                    if link_policy is None or not entry.is_symlink() or link_policy.allow_link(entry.path):
                        found.append(Path(entry.path))
                elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith(HIDDEN_FOLDER_PREFIXES):
                    inner.append(entry.path)
        below += reversed(inner)
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def is_non_image_name(path: Path) -> bool:
    """Returns whether a file's name says that it is no image: hidden, litter, or of another known type."""
    if path.name.startswith(".") or path.name.lower() in SYSTEM_FILES:
        return True
    import mimetypes

    guess, _ = mimetypes.guess_type(path.name)
    return guess is not None and not guess.startswith("image/")


def is_video_name(path: Path) -> bool:
    """Returns whether a file's name says that it is a video."""
    import mimetypes

    guess, _ = mimetypes.guess_type(path.name)
    return guess is not None and guess.startswith("video/") and not path.name.startswith(".")


def _check_folder(root: Path, names: list[str], files: list[tuple[str, str, Path]], link_policy: LinkPolicy) -> None:
    if link_policy.outside_links and not files:
        raise DataError(
            f"{root} holds links that lead out of it, which are not followed, and nothing else",
            received=", ".join(str(path) for path in link_policy.outside_links[:3]),
            hint="the folder that they lead to, or copies of the images",
        )
    if not names:
        loose = sum(child.is_file() for child in root.iterdir())
        raise DataError(
            f"{root} has no class folders",
            received=f"{loose:,} files" if loose else "an empty folder",
            expected="one folder per class, with that class's images in it",
        )
    if len(names) > 1 and all(name.lower() in SPLIT_ALIASES for name in names):
        raise DataError(
            f"{root} has folders for splits, and no class folders in them",
            received=", ".join(names),
            expected="one folder per class in each of them, such as train/cats",
        )
    if len(names) == 1 and not any(len(path.relative_to(root).parts) == 2 for _, _, path in files):
        inner = root / names[0]
        if inner.is_dir() and len(_list_folders(inner, link_policy)) > 1:
            raise DataError(
                f"{root} holds one folder only, and the classes seem to lie below it", hint=f"{inner} instead"
            )
    filled = {name for _, name, _ in files}
    empty = [name for name in names if name not in filled]
    if empty:
        raise DataError(
            f"Class folders of {root} without an image",
            received=", ".join(empty[:5]) + (" …" if len(empty) > 5 else ""),
            hint="add images, or remove the empty folders",
        )
