"""What TensorBoard is told of a run: while it learns, when it was measured, or later from the run's files."""

from __future__ import annotations

import contextlib
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate import drawing
from striate.backend import keras
from striate.errors import StriateError, printable
from striate.evaluation import plots
from striate.evaluation.measure import Measured
from striate.explain.embedding import embeddings
from striate.history import Epoch
from striate.runs import Run
from striate.tensorboard.events import FOLDER, EventFile
from striate.tensorboard.graph import graph_of
from striate.tensorboard.projector import save_projector

SHOWN = 1000  # pictures in the projector
EACH, CLASSES = 8, 50  # pictures of a class, and classes, among the sample pictures
WEIGHTS = 2_000_000  # numbers of an array above which some of them stand for all in a histogram


class Board:
    """Tells TensorBoard of a training as it happens: curves, and how the weights are spread after each epoch.

    Args:
        folder: the run's, in which `tensorboard/train` and `tensorboard/validation` are made.
        epochs: written already; what earlier files hold of later ones is not shown any more.
    """

    def __init__(self, folder: Path, epochs: int = 0) -> None:
        self.train = EventFile(folder / FOLDER / "train")
        self.validation = EventFile(folder / FOLDER / "validation")
        for file in (self.train, self.validation):
            file.restart(epochs + 1)

    def epoch(self, model: Any, row: Epoch) -> None:
        """Adds an epoch."""
        self.curves(row)
        self.weights(model, row.epoch)

    def curves(self, row: Epoch, when: float | None = None) -> None:
        """Adds the figures of an epoch."""
        for tag, value in (("loss", row.loss), ("accuracy", row.accuracy), ("learning_rate", row.learning_rate)):
            self.train.scalar(tag, value, row.epoch, when)
        self.train.scalar("images_per_second", row.images_per_second, row.epoch, when)
        for tag, value in (("loss", row.val_loss), ("accuracy", row.val_accuracy)):
            self.validation.scalar(tag, value, row.epoch, when)

    def weights(self, model: Any, epoch: int, when: float | None = None) -> None:
        """Adds how each array of weights that learn is spread."""
        for variable in model.trainable_weights:
            values = np.asarray(keras.ops.convert_to_numpy(variable.value), np.float32).ravel()
            self.train.histogram(f"weights/{variable.path}", values[:: -(-len(values) // WEIGHTS)], epoch, when)

    def close(self) -> None:
        """Closes the files."""
        self.train.close()
        self.validation.close()


def save_measured(folder: Path, classifier: Any, measured: Measured | None, epoch: int) -> None:
    """Adds the network's graph and what is known of the test pictures: samples of every class, the confusion matrix,
    the projector.

    Args:
        folder: the run's.
        classifier: the run's.
        measured: on the test pictures; None where these are gone.
        epoch: whose weights were kept.
    """
    events = EventFile(folder / FOLDER / "test")
    try:
        with contextlib.suppress(AttributeError, ValueError):  # a subclass of keras.Model, or several inputs
            events.graph(graph_of(classifier.model))
        if measured is not None:
            _pictures(events, measured, epoch)
    finally:
        events.close()
    if measured is not None:
        _project(folder, classifier, measured)


def save_later(run: Run, measured: Measured | None) -> None:
    """Writes everything of a run that was trained without TensorBoard; of the weights, those that were kept.

    Args:
        run: finished.
        measured: on its test pictures; None where these are gone.
    """
    board = Board(run.path)
    try:
        history = run.history
        when = datetime.fromisoformat(run.manifest.started).timestamp()
        for row in history.epochs:
            when += row.seconds
            board.curves(row, when)
        board.weights(run.classifier.model, history.kept, when)
    finally:
        board.close()
    save_measured(run.path, run.classifier, measured, history.kept)


def _pictures(events: EventFile, measured: Measured, epoch: int) -> None:
    labels, names = measured.decoded.images.labels, measured.decoded.images.classes
    for label, name in list(enumerate(names))[:CLASSES]:
        own = [measured.decoded.pixels[int(at)] for at in np.flatnonzero(labels == label)[:EACH]]
        if own:
            events.picture(f"pictures/{printable(name)}", np.concatenate(own, axis=1), epoch)
    events.picture("confusion", _drawn(plots.confusion(measured.report)), epoch)


def _project(folder: Path, classifier: Any, measured: Measured) -> None:
    images = measured.decoded.images
    some = np.sort(np.random.default_rng(0).permutation(len(images))[:SHOWN])
    if not len(some):
        return
    pixels = np.stack([measured.decoded.pixels[int(at)] for at in some])
    try:
        vectors = embeddings(classifier.model, pixels)
    except StriateError:  # a network of the user's own that has no vector before its last layer
        return
    names, predicted = images.classes, measured.predicted
    rows = [(names[images.labels[at]], names[predicted[at]], str(images.keys[at])) for at in some]
    save_projector(folder / FOLDER / "test", vectors, rows, pixels, "test pictures")


def _drawn(figure: Any) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    drawing.draw(figure, buffer, dpi=110)
    with Image.open(buffer) as picture:
        return np.asarray(picture.convert("RGB"))
