"""Answers as a table (CSV) or as JSON Lines: written as they come, whole under their name only at the end, and gone on
with after a kill.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from striate.data.decoding import Picture
from striate.errors import ConfigError, DataError, printable
from striate.prediction import Prediction
from striate.system.atomic_files import sha256, writing

PENDING = ".partial"
"""What the name of an unfinished file ends with."""

OFTEN = 256  # answers between two flushes to the disk


def summary(answer: Prediction, top: int | None = None) -> dict[str, Any]:
    """Returns an answer as JSON: the `top` most probable classes, or all."""
    found = {
        "source": printable(answer.source),
        "label": answer.label,
        "confidence": answer.confidence,
        "probabilities": dict(list(answer.probabilities.items())[:top]),
        "unsure": answer.unsure,
        "error": answer.error,
    }
    if answer.frame is not None:
        found |= {"frame": answer.frame, "seconds": answer.seconds}
    return found


class AnswerFile:
    """Answers on their way into a file; to be used in a `with`.

    While they come they stand in FILE.partial; at the end it becomes FILE. One that is left over from a kill is gone on
    with by `resume`: what it answers already is `known`, its last line, which may be torn, is answered again.

    Args:
        path: the file; `.jsonl` and `.ndjson` are JSON Lines, all else CSV.
        classes: the classifier's, one column each.
        films: whether frames will come, which have columns for their number and time.
        resume: go on with what is there.

    Raises:
        DataError: an unfinished file is there and `resume` is not asked for, or it has other columns.
    """

    def __init__(self, path: Path, classes: Sequence[str], *, films: bool = False, resume: bool = False) -> None:
        self.path, self.classes, self.films = path, tuple(classes), films
        self.pending = path.with_name(path.name + PENDING)
        self.is_lines = path.suffix.lower() in (".jsonl", ".ndjson")
        self.known, self._kept = 0, 0
        if self.pending.exists() and not resume:
            raise DataError(
                "There is an unfinished file of answers", received=self.pending, hint="--resume, or remove it"
            )
        if resume and not self.pending.exists() and path.exists():
            raise DataError("These answers are finished already, nothing is left to resume", received=path)
        self._known_names = self._read() if self.pending.exists() else iter(())

    @property
    def _columns(self) -> tuple[str, ...]:
        places = ("frame", "seconds") if self.films else ()
        return ("source", *places, "label", "confidence", *self.classes, "unsure", "error")

    def _lines(self) -> Iterator[bytes]:
        """Yields the whole lines; a source's name may hold a line break, which CSV puts between quotes."""
        with self.pending.open("rb") as file:
            held = b""
            for line in file:
                held += line
                if line.endswith(b"\n") and (self.is_lines or held.count(b'"') % 2 == 0):
                    yield held
                    held = b""

    def _read(self) -> Iterator[str]:
        """Counts what is known and returns its sources, in order."""
        lines = self._lines()
        if not self.is_lines:
            header = next(lines, None)
            if header is not None and next(csv.reader([header.decode()])) != list(self._columns):
                raise DataError(
                    "The unfinished answers have other columns",
                    received=header.decode().strip(),
                    expected=",".join(self._columns),
                    hint=f"remove {self.pending}",
                )
            self._kept = len(header or b"")
        for line in lines:
            self.known += 1
            self._kept += len(line)

        def names() -> Iterator[str]:
            again = self._lines()
            if not self.is_lines:
                next(again, None)
            for line in again:
                text = line.decode()
                yield json.loads(text)["source"] if self.is_lines else next(csv.reader(io.StringIO(text)))[0]

        return names()

    def require_beginning(self, names: Iterable[str]) -> None:
        """Raises DataError unless what is known are the first of these sources."""
        given = iter(names)
        for number, known in enumerate(self._known_names):
            now = next(given, None)
            if now is None or printable(now) != known:
                raise DataError(
                    "The pictures are others than those answered before",
                    received=f"number {number + 1:,} is {now or 'missing'}",
                    expected=known,
                    hint=f"the same sources in the same order, or remove {self.pending}",
                )

    def __enter__(self) -> Callable[[Prediction], None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.pending.open("r+b" if self.pending.exists() else "wb")
        self._file.truncate(self._kept)
        self._file.seek(self._kept)
        if not self._kept and not self.is_lines:
            self._write(self._columns)
        self._since = 0
        return self._take

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self.pending.replace(self.path)

    def _take(self, answer: Prediction) -> None:
        if self.is_lines:
            self._file.write((json.dumps(summary(answer), ensure_ascii=False, allow_nan=False) + "\n").encode())
        else:
            self._write(self._row(answer))
        self._since += 1
        if self._since >= OFTEN:
            self._file.flush()
            self._since = 0

    def _row(self, answer: Prediction) -> tuple[object, ...]:
        shares = [f"{answer.probabilities[name]:.6g}" if answer.probabilities else "" for name in self.classes]
        places: tuple[object, ...] = ()
        if self.films:
            places = ("", "") if answer.frame is None else (answer.frame, f"{answer.seconds:.3f}")
        confidence = "" if answer.confidence is None else f"{answer.confidence:.6g}"
        unsure = "yes" if answer.unsure else ""
        return (printable(answer.source), *places, answer.label or "", confidence, *shares, unsure, answer.error or "")

    def _write(self, row: Sequence[object]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())


def require_room(paths: Sequence[Path | None]) -> None:
    """Raises ConfigError if two of the files are one."""
    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise ConfigError("Two outputs go to one file", received=given[0])


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
