"""From what a user points at (files, folders, globs, a list on standard input) to a list of pictures."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable
from pathlib import Path

from striate.errors import DataError
from striate.images.sources.folder import is_film, is_something_else, walk

MAGIC = frozenset("*?[")


def expand(sources: Iterable[str | Path], *, films: bool = False) -> list[Path]:
    """Returns the files meant by `sources`, in the order given; folders and globs are sorted within.

    Args:
        sources: files; folders (walked, litter left out); globs (`**` goes down); `-` for a list of paths on
            standard input, one a line. A file that does not exist stays in the list, so that its prediction can
            say so.
        films: whether films in a folder are meant too.

    Raises:
        DataError: a folder or glob that matches no file.
    """
    found: list[Path] = []
    for source in sources:
        if str(source) == "-":
            found.extend(Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
            continue
        path = Path(source)
        if path.is_dir():
            matches = [file for file in walk(path) if not is_something_else(file) or (films and is_film(file))]
        elif not path.exists() and MAGIC & set(str(source)):
            matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
            matches = [match for match in matches if match.is_file()]
        else:
            matches = [path]
        if not matches:
            raise DataError("No picture there", received=source)
        found.extend(matches)
    return found
