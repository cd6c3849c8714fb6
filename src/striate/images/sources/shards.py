"""Sets in several files of one kind: which belong to it, what their names say, and whether any is missing."""

from __future__ import annotations

import re
from pathlib import Path

from striate.errors import DataError
from striate.images.sources.folder import HIDDEN, SPLIT_FOLDERS


def shards_in(folder: Path, ending: str) -> list[Path]:
    """Returns the files with that ending that a folder consists of, sorted; none where it is a folder of classes.

    They lie in the folder itself, in `data/` or its only folder, or in folders named after splits. Loose ones
    beside other folders count only if a name says the split: an index may lie beside class folders.
    """
    inner = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(HIDDEN))
    loose = _within(folder, ending)
    others = [child for child in inner if child.name.lower() != "data"]
    if loose and (not others or any(split_of(shard, folder) for shard in loose)):
        return loose
    below = [child for child in inner if child.name.lower() in {"data", *SPLIT_FOLDERS}] or inner[: len(inner) == 1]
    return [shard for child in below for shard in _within(child, ending)]


def _within(folder: Path, ending: str) -> list[Path]:
    return sorted(
        child
        for child in folder.iterdir()
        if child.suffix.lower() == ending and not child.name.startswith(HIDDEN) and child.is_file()
    )


def split_of(shard: Path, root: Path) -> str:
    """Returns the split that a shard's name says, or the name of its folder below `root`; "" if neither does."""
    words = [re.split(r"[-_.]", shard.stem)[0]] + ([shard.parent.name] if shard.parent != root else [])
    return next((SPLIT_FOLDERS[word.lower()] for word in words if word.lower() in SPLIT_FOLDERS), "")


def name_of(root: Path) -> str:
    """Returns how a set is called: after its folder, or its only file without the ending."""
    return root.resolve().stem if root.is_file() else root.resolve().name


def key_of(shard: Path, root: Path) -> str:
    """Returns how a shard is called in keys: its name without the ending, below `root` but for `data/`."""
    if shard == root:
        return shard.stem
    return shard.relative_to(root).with_suffix("").as_posix().removeprefix("data/")


def require_all_shards(shards: list[Path]) -> None:
    """Refuses a set of which a part was not downloaded: shards say in their names how many there are.

    Raises:
        DataError: one is missing.
    """
    there = {shard.name for shard in shards}
    for shard in shards if len(shards) > 1 else []:
        found = re.fullmatch(r"(.*-)(\d+)(-of-(\d+).*)", shard.name)
        if not found:
            continue
        start, number, end, total = found.groups()
        missing = [name for i in range(int(total)) if (name := f"{start}{i:0{len(number)}}{end}") not in there]
        if missing:
            raise DataError(
                f"{len(missing):,} of the {int(total):,} parts that {shard.name} belongs to are missing",
                received=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""),
                hint="download them too",
            )
