"""Bulk prediction: from a run, and all that images lie in, to a folder of predictions."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.classifier import Classifier
from striate.cluster.connection import connect_cluster, require_ray
from striate.data.prefetch import decode_or_error
from striate.errors import DataError, ImageDecodeError
from striate.inference.batch.job import PLAN_FILE, BatchJob, BatchSummary, load_summary
from striate.inference.batch.readers import read_images
from striate.inference.batch.work_items import WorkItem, list_work_items
from striate.progress import NO_PROGRESS, Progress
from striate.runs import lock
from striate.system.signals import on_first_signal

if TYPE_CHECKING:
    import pyarrow as pa

COMPARED = 64  # images that the exported classifier is held against the original on
ENDS = "What is answered is kept; --resume goes on from there."
FIRST = 10  # pieces among which those are looked for
OFTEN = 30.0  # seconds between two lines about how far it is


def predict_all(
    classifier: str | Path | Classifier,
    sources: Iterable[str | Path],
    out: str | Path,
    *,
    on: str | None = None,
    reject_below: float | None = None,
    resume: bool = False,
    progress: Progress = NO_PROGRESS,
) -> BatchSummary | None:
    """Returns what the folder `out` holds now: one prediction for each image, in order; None when a signal ended the
    work, which then can be resumed. Its files are described in answering.bulk.job, the table's columns in
    answering.bulk.answerer.

    Args:
        classifier: that answers; a path is an ONNX file of Striate's. Another is exported, and held against the
            original on the first images.
        sources: see answering.bulk.pieces.
        out: a folder, which is not there yet unless `resume`.
        on: a Ray cluster, see docs/scale.md; None answers in this process.
        reject_below: confidence below which an image gets no class; None for the classifier's own.
        resume: resume what an earlier attempt left. The sources are not listed again: what was there when it
            began is what is answered.
        progress: told the number of images.

    Raises:
        DataError: nothing there, the folder is taken, nothing to resume, or PyArrow is missing.
        ClusterError: the cluster cannot be used.
        ParityError: the exported classifier answers otherwise than the original.
    """
    folder = Path(out)
    if on is not None:
        require_ray(on)
    _require_pyarrow()
    if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        is_begun = (folder / PLAN_FILE).is_file()
        raise DataError(
            "There are unfinished answers" if is_begun else "The place for the predictions is taken",
            received=folder,
            expected=None if is_begun else "a folder that is not there yet",
            hint="--resume, or remove it" if is_begun else None,
        )
    about = {"reject_below": reject_below}
    job = BatchJob(folder)
    if resume and not folder.is_dir():
        raise DataError("There is nothing to resume", received=folder, expected="unfinished answers")
    if not resume:
        with progress.track("listing images", 0, "images"):
            pieces = list_work_items(sources)
        folder.mkdir(parents=True, exist_ok=True)
    with lock.hold_lock(folder):
        if resume:
            job.resume(about)
        else:
            _place(classifier, job.classifier_path, pieces)
            job.start(pieces, about)
        if not _answer(job, on, reject_below, progress):
            return None
        job.finish()
    (folder / lock.LOCK_FILE).unlink(missing_ok=True)
    return load_summary(folder)


def _answer(job: BatchJob, on: str | None, reject_below: float | None, progress: Progress) -> bool:
    """Has all that is left answered; returns whether it was, and no signal came."""
    is_stopped = False

    def stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        progress.log(ENDS)

    left = job.list_pending()
    known = sum(piece.size_estimate for piece in job.items) - sum(piece.size_estimate for piece in left)
    if known:
        progress.log(f"{known:,} images are answered already.")
    with on_first_signal(stop):
        for _ in _told(
            job.write_results(_answers(job, on, reject_below, left, lambda: is_stopped, progress)), left, progress
        ):
            pass
    return not is_stopped


def _answers(
    job: BatchJob, on: str | None, reject_below: float | None, left: list[WorkItem], is_stopped: Any, progress: Progress
) -> Iterator[tuple[WorkItem, pa.Table]]:
    if on is None or not left:
        from striate.inference.batch.worker import predict_locally

        yield from predict_locally(job.classifier_path, reject_below, left, is_stopped)
        return
    with connect_cluster(on) as cluster:
        from striate.cluster.batch_inference import predict_on_ray

        progress.log(f"{cluster}.")
        yield from predict_on_ray(cluster, job.classifier_path, reject_below, left, is_stopped, progress)


def _told(pieces: Iterator[WorkItem], left: list[WorkItem], progress: Progress) -> Iterator[WorkItem]:
    """Passes the pieces on that are done, and tells how many images that is, and how long the rest will take."""
    total, done, began, told = sum(piece.size_estimate for piece in left), 0, 0.0, time.perf_counter()
    with progress.track("answering", total, "images") as task:
        for piece in pieces:
            now = time.perf_counter()
            began = began or now  # the first ones wait for the cluster
            done += piece.size_estimate
            task.advance(piece.size_estimate)
            if now > told + OFTEN and done < total:
                told, rate = now, done / max(1e-3, now - began)
                left_over = str(datetime.timedelta(seconds=round((total - done) / rate)))
                task.log(f"{done:,} of {total:,} images, {rate:,.0f} a second, {left_over} left")
            yield piece


def _place(classifier: str | Path | Classifier, target: Path, pieces: list[WorkItem]) -> None:
    """Puts the classifier into its place, as an ONNX file."""
    if not isinstance(classifier, Classifier):
        Classifier.load(classifier)  # which says what is wrong with it
        shutil.copyfile(classifier, target)
        return
    from striate.exporters.formats import EXPORT_FORMATS
    from striate.exporters.verification import export_and_verify

    classifier.require_keras_model()
    export_and_verify(classifier, EXPORT_FORMATS["onnx"], target, _some(classifier, pieces))


def _some(classifier: Classifier, pieces: list[WorkItem]) -> Any:
    """Returns the first images that can be decoded, (n, h, w, c) uint8."""
    found: list[Any] = []
    for piece in pieces[:FIRST]:
        for chunk in read_images(piece):
            for one in chunk:
                if isinstance(one.image, ImageDecodeError):
                    continue
                pixels = decode_or_error(classifier.preprocessing, one.image)
                if not isinstance(pixels, str):
                    found.append(pixels)
            if len(found) >= COMPARED:
                return np.stack(found)
    if not found:
        raise DataError("Of the first images none can be decoded", received=pieces[0].locations[0])
    return np.stack(found)


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            "Answers in bulk are kept in Parquet, which PyArrow writes, and that is not installed",
            hint="pip install 'striate[parquet]'",
        ) from None
