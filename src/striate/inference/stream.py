"""Answers for every picture and frame, in order, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from striate.classifier import Classifier
from striate.data.decoding import Picture
from striate.errors import DataError
from striate.inference.inputs import Broken, Part, Video
from striate.inference.video import Film, Frame, Smoothing, broken
from striate.prediction import Prediction, predicted
from striate.progress import SILENT, Progress

FRAMES = 32  # of a film, answered at once

Seen = Callable[[Film, Frame, Prediction], None]
"""Told of every frame that was answered."""


def answers(
    classifier: Classifier,
    parts: Sequence[Part],
    *,
    every: int = 1,
    smooth: float = 0.5,
    reject_below: float | None = None,
    skip: int = 0,
    seen: Seen | None = None,
    progress: Progress = SILENT,
) -> Iterator[tuple[Prediction, Picture | None]]:
    """Yields an answer for each picture and frame, beside the picture that it is about (None for a frame).

    Args:
        classifier: that answers.
        parts: see listing.
        every: of a film, each so-manyth frame.
        smooth: seconds of a film over which answers are averaged, see video.Smoothing.
        reject_below: as Classifier.predict takes it.
        skip: pictures at the beginning that were answered before. Films are answered from their beginning.
        seen: told of each frame.
        progress: told the number of pictures, and of frames.
    """
    for part in parts:
        if isinstance(part, Video):
            for answer in _film(classifier, part, every, smooth, reject_below, seen, progress):
                yield answer, None
            continue
        if isinstance(part, Broken):
            if not skip:
                yield broken(part.name, part.problem), None
            skip = max(0, skip - 1)
            continue
        left = slice(min(skip, len(part.names)), None)
        skip -= left.start
        names, pictures = part.names[left], part.pictures[left]
        given = iter(pictures)
        for answer in classifier.stream(pictures, names, reject_below=reject_below, progress=progress):
            yield answer, next(given)


def _film(
    classifier: Classifier,
    video: Video,
    every: int,
    smooth: float,
    reject_below: float | None,
    seen: Seen | None,
    progress: Progress,
) -> Iterator[Prediction]:
    limit = classifier.reject_below if reject_below is None else reject_below
    try:
        film = Film(video.source)
    except DataError as error:
        yield broken(video.name, error.problem)
        return
    with film, progress.task(f"watching {video.name}", -(-(film.frames or 0) // every), "frames") as task:
        mean, frames, number = Smoothing(smooth), film.every(every), 0
        size = 1 if isinstance(video.source, int) else FRAMES  # of a camera each at once
        while some := list(islice(frames, size)):
            pixels = np.stack([classifier.preprocessing(frame.pixels) for frame in some])
            for frame, shares in zip(some, classifier.probabilities(pixels), strict=True):
                answer = predicted(video.name, classifier.classes, mean(frame.seconds, shares), limit)
                answer = replace(answer, frame=frame.number, seconds=frame.seconds)
                if seen is not None:
                    seen(film, frame, answer)
                yield answer
            number += len(some)
            task.advance(len(some))
        if not number:
            yield broken(video.name, "no frame of it can be decoded")


def is_film_among(parts: Sequence[Part]) -> bool:
    """Returns whether a film or a camera is among what is to be answered."""
    return any(isinstance(part, Video) for part in parts)
