"""Answers for every image and frame, in order, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from striate.classifier import Classifier
from striate.data.decoding import ImageSource
from striate.errors import DataError
from striate.inference.inputs import Input, UnreadableInput, VideoInput
from striate.inference.video import Frame, ProbabilitySmoother, VideoReader, build_error_prediction
from striate.prediction import Prediction, build_prediction
from striate.progress import NO_PROGRESS, Progress

FRAMES_PER_BATCH = 32  # of a video, answered at once

FrameCallback = Callable[[VideoReader, Frame, Prediction], None]
"""Told of every frame that was answered."""


def predict_stream(
    classifier: Classifier,
    inputs: Sequence[Input],
    *,
    frame_stride: int = 1,
    smoothing_seconds: float = 0.5,
    reject_below: float | None = None,
    skip: int = 0,
    on_frame: FrameCallback | None = None,
    progress: Progress = NO_PROGRESS,
) -> Iterator[tuple[Prediction, ImageSource | None]]:
    """Yields a prediction for each image and frame, beside the image that it is about (None for a frame).

    Args:
        classifier: that answers.
        inputs: see listing.
        frame_stride: of a video, each so-manyth frame.
        smoothing_seconds: seconds of a video over which answers are averaged, see video.Smoothing.
        reject_below: as Classifier.predict takes it.
        skip: images at the beginning that were answered before. Videos are answered from their beginning.
        on_frame: told of each frame.
        progress: told the number of images, and of frames.
    """
    for part in inputs:
        if isinstance(part, VideoInput):
            for prediction in _predict_video(
                classifier, part, frame_stride, smoothing_seconds, reject_below, on_frame, progress
            ):
                yield prediction, None
            continue
        if isinstance(part, UnreadableInput):
            if not skip:
                yield build_error_prediction(part.name, part.problem), None
            skip = max(0, skip - 1)
            continue
        left = slice(min(skip, len(part.names)), None)
        skip -= left.start
        names, images = part.names[left], part.images[left]
        given = iter(images)
        for prediction in classifier.iter_predictions(images, names, reject_below=reject_below, progress=progress):
            yield prediction, next(given)


def _predict_video(
    classifier: Classifier,
    video: VideoInput,
    frame_stride: int,
    smoothing_seconds: float,
    reject_below: float | None,
    on_frame: FrameCallback | None,
    progress: Progress,
) -> Iterator[Prediction]:
    limit = classifier.reject_below if reject_below is None else reject_below
    try:
        film = VideoReader(video.source)
    except DataError as error:
        yield build_error_prediction(video.name, error.problem)
        return
    with film, progress.track(f"watching {video.name}", -(-(film.frame_count or 0) // frame_stride), "frames") as task:
        mean, frames, number = ProbabilitySmoother(smoothing_seconds), film.iter_frames(frame_stride), 0
        size = 1 if isinstance(video.source, int) else FRAMES_PER_BATCH  # of a camera each at once
        while some := list(islice(frames, size)):
            pixels = np.stack([classifier.preprocessing(frame.pixels) for frame in some])
            for frame, fractions in zip(some, classifier.predict_probabilities(pixels), strict=True):
                prediction = build_prediction(video.name, classifier.classes, mean(frame.seconds, fractions), limit)
                prediction = replace(prediction, frame=frame.number, seconds=frame.seconds)
                if on_frame is not None:
                    on_frame(film, frame, prediction)
                yield prediction
            number += len(some)
            task.advance(len(some))
        if not number:
            yield build_error_prediction(video.name, "no frame of it can be decoded")


def has_video(inputs: Sequence[Input]) -> bool:
    """Returns whether a video or a camera is among what is to be answered."""
    return any(isinstance(part, VideoInput) for part in inputs)
