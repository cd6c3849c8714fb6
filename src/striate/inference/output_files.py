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

from striate.data.decoding import ImageSource
from striate.errors import ConfigError, DataError, to_printable
from striate.prediction import Prediction
from striate.system.atomic_files import compute_sha256, write_atomically

PARTIAL_SUFFIX = ".partial"
"""What the name of an unfinished file ends with."""

PREDICTIONS_PER_FLUSH = 256  # answers between two flushes to the disk


def serialize_prediction(prediction: Prediction, top: int | None = None) -> dict[str, Any]:
    """Returns a prediction as JSON: the `top` most probable classes, or all."""
    found = {
        "source": to_printable(prediction.source),
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": dict(list(prediction.probabilities.items())[:top]),
        "abstained": prediction.is_abstention,
        "error": prediction.error,
    }
    if prediction.frame is not None:
        found |= {"frame": prediction.frame, "seconds": prediction.seconds}
    return found


class PredictionWriter:
    """Answers on their way into a file; to be used in a `with`.

    While they come they stand in FILE.partial; at the end it becomes FILE. One that is left over from a kill is gone on
    with by `resume`: what it answers already is `resume_count`, its last line, which may be torn, is answered again.

    Args:
        path: the file; `.jsonl` and `.ndjson` are JSON Lines, all else CSV.
        classes: the classifier's, one column each.
        has_frames: whether frames will come, which have columns for their number and time.
        resume: resume what is there.

    Raises:
        DataError: an unfinished file is there and `resume` is not asked for, or it has other columns.
    """

    def __init__(self, path: Path, classes: Sequence[str], *, has_frames: bool = False, resume: bool = False) -> None:
        self.path, self.classes, self.has_frames = path, tuple(classes), has_frames
        self.partial_path = path.with_name(path.name + PARTIAL_SUFFIX)
        self.is_jsonl = path.suffix.lower() in (".jsonl", ".ndjson")
        self.resume_count, self._resume_bytes = 0, 0
        if self.partial_path.exists() and not resume:
            raise DataError(
                "There is an unfinished file of predictions", received=self.partial_path, hint="--resume, or remove it"
            )
        if resume and not self.partial_path.exists() and path.exists():
            raise DataError("These predictions are finished already, nothing is left to resume", received=path)
        self._resume_sources = self._read_partial() if self.partial_path.exists() else iter(())

    @property
    def _columns(self) -> tuple[str, ...]:
        places = ("frame", "seconds") if self.has_frames else ()
        return ("source", *places, "label", "confidence", *self.classes, "abstained", "error")

    def _iter_records(self) -> Iterator[bytes]:
        """Yields the whole lines; a source's name may hold a line break, which CSV puts between quotes."""
        with self.partial_path.open("rb") as file:
            held = b""
            for line in file:
                held += line
                if line.endswith(b"\n") and (self.is_jsonl or held.count(b'"') % 2 == 0):
                    yield held
                    held = b""

    def _read_partial(self) -> Iterator[str]:
        """Counts what is known and returns its sources, in order."""
        lines = self._iter_records()
        if not self.is_jsonl:
            header = next(lines, None)
            if header is not None and next(csv.reader([header.decode()])) != list(self._columns):
                raise DataError(
                    "The unfinished answers have other columns",
                    received=header.decode().strip(),
                    expected=",".join(self._columns),
                    hint=f"remove {self.partial_path}",
                )
            self._resume_bytes = len(header or b"")
        for line in lines:
            self.resume_count += 1
            self._resume_bytes += len(line)

        def iter_sources() -> Iterator[str]:
            again = self._iter_records()
            if not self.is_jsonl:
                next(again, None)
            for line in again:
                text = line.decode()
                yield json.loads(text)["source"] if self.is_jsonl else next(csv.reader(io.StringIO(text)))[0]

        return iter_sources()

    def require_same_sources(self, sources: Iterable[str]) -> None:
        """Raises DataError unless what is known are the first of these sources."""
        given = iter(sources)
        for number, known in enumerate(self._resume_sources):
            now = next(given, None)
            if now is None or to_printable(now) != known:
                raise DataError(
                    "The images are others than those answered before",
                    received=f"number {number + 1:,} is {now or 'missing'}",
                    expected=known,
                    hint=f"the same sources in the same order, or remove {self.partial_path}",
                )

    def __enter__(self) -> Callable[[Prediction], None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.partial_path.open("r+b" if self.partial_path.exists() else "wb")
        self._file.truncate(self._resume_bytes)
        self._file.seek(self._resume_bytes)
        if not self._resume_bytes and not self.is_jsonl:
            self._write_row(self._columns)
        self._flush_counter = 0
        return self._write_prediction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self.partial_path.replace(self.path)

    def _write_prediction(self, prediction: Prediction) -> None:
        if self.is_jsonl:
            self._file.write(
                (json.dumps(serialize_prediction(prediction), ensure_ascii=False, allow_nan=False) + "\n").encode()
            )
        else:
            self._write_row(self._build_row(prediction))
        self._flush_counter += 1
        if self._flush_counter >= PREDICTIONS_PER_FLUSH:
            self._file.flush()
            self._flush_counter = 0

    def _build_row(self, prediction: Prediction) -> tuple[object, ...]:
        fractions = [
            f"{prediction.probabilities[name]:.6g}" if prediction.probabilities else "" for name in self.classes
        ]
        places: tuple[object, ...] = ()
        if self.has_frames:
            places = ("", "") if prediction.frame is None else (prediction.frame, f"{prediction.seconds:.3f}")
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.6g}"
        abstained = "yes" if prediction.is_abstention else ""
        return (
            to_printable(prediction.source),
            *places,
            prediction.label or "",
            confidence,
            *fractions,
            abstained,
            prediction.error or "",
        )

    def _write_row(self, row: Sequence[object]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())


def require_distinct_paths(paths: Sequence[Path | None]) -> None:
    """Raises ConfigError if two of the files are one."""
    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise ConfigError("Two outputs go to one file", received=given[0])


ABSTENTION_FOLDER = "_abstained"
UNSAFE_CHARACTERS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
"""What one of the usual file systems does not take in a name."""

MAX_NAME_LENGTH = 100  # characters of a folder's name
RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def build_folder_names(classes: Sequence[str]) -> dict[str, str]:
    """Returns class → a folder's name that is safe everywhere and another's nowhere, on file systems that do not tell
    capitals either.
    """
    found: dict[str, str] = {}
    taken = {ABSTENTION_FOLDER}
    for name in classes:
        safe = UNSAFE_CHARACTERS.sub("_", name)[:MAX_NAME_LENGTH].rstrip(" .").lstrip(".") or "_"
        if RESERVED_NAMES.fullmatch(safe):
            safe += "_"
        number, plain = 2, safe
        while safe.lower() in taken:
            safe, number = f"{plain} ({number})", number + 1
        taken.add(safe.lower())
        found[name] = safe
    return found


class ImageSorter:
    """Puts a copy of each image file into the folder of its class; abstentions into `_abstained`; unreadable
    files are left out.

    Args:
        folder: where the folders are put; what lies there stays.
        classes: the classifier's.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.folder, self._folder_names = folder, build_folder_names(classes)
        self.copy_count = 0

    def __call__(self, prediction: Prediction, image: ImageSource | None) -> None:
        """Copies the image that the prediction is about; frames and rows of arrays are no files."""
        if prediction.error is not None or not isinstance(image, Path):
            return
        place = self.folder / (
            self._folder_names[prediction.label] if prediction.label is not None else ABSTENTION_FOLDER
        )
        place.mkdir(parents=True, exist_ok=True)
        target = self._find_free_path(place, image)
        if target is not None:
            with write_atomically(target) as temporary:
                shutil.copyfile(image, temporary)
        self.copy_count += 1

    @staticmethod
    def _find_free_path(folder: Path, image: Path) -> Path | None:
        """Returns a name that nothing has, or None where the same image lies already."""
        target, number, digest = folder / image.name, 2, ""
        while target.exists():
            if target.stat().st_size == image.stat().st_size:
                digest = digest or compute_sha256(image)
                if compute_sha256(target) == digest:
                    return None
            target, number = folder / f"{image.stem} ({number}){image.suffix}", number + 1
        return target
