"""What TensorBoard is told of a run: while it learns, when it was measured, or later from the run's files."""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import StriateError, printable
from striate.evaluation import plots
from striate.evaluation.evaluate import Measured
from striate.explain.embeddings import embeddings
from striate.models.layer_graph import calls, unique
from striate.reporting.figures import render_figure
from striate.runs.run import Run
from striate.system.atomic_files import write_text, writing
from striate.system.backend import keras
from striate.tensorboard.events import FOLDER, EventFile
from striate.training.history import Epoch

PICTURES = "pictures"

BLOCKS = re.compile(r"((?:^|(?<=/)|(?<=\d_))(?:stage|block)\d+)_")
"""The beginnings of names, such as `stage1_block2_`, that become groups within groups."""


def graph_of(model: Any) -> Any:
    """Returns a GraphDef with one node for each use of a layer, in the order of the computation.

    Args:
        model: a functional or Sequential keras.Model with one input.
    """
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    def node(name: str, kind: str, inputs: list[str], shape: Any) -> Any:
        sides = [TensorShapeProto.Dim(size=-1 if side is None else side) for side in shape]
        shapes = AttrValue.ListValue(shape=[TensorShapeProto(dim=sides)])
        return NodeDef(name=name, op=kind, input=inputs, attr={"_output_shapes": AttrValue(list=shapes)})

    (picture,) = model.inputs
    seen, taken = {id(picture): PICTURES}, {PICTURES}
    nodes = [node(PICTURES, "InputLayer", [], picture.shape)]
    for name, call in calls(model, seen):
        inputs = [seen[id(tensor)] for tensor in call.input_tensors]
        own = unique(BLOCKS.sub(r"\1/", name), taken)
        taken.add(own)
        (output,) = call.output_tensors
        nodes.append(node(own, type(call.operation).__name__, inputs, output.shape))
        seen[id(output)] = own
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


SIDE = 48  # pixels of a thumbnail
COLUMNS = ("class", "predicted", "right", "picture")


def save_projector(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: Sequence[tuple[str, str, str]],
    pixels: NDArray[np.uint8],
    name: str,
) -> None:
    """Writes what TensorBoard's projector shows of one set of pictures.

    Args:
        folder: which TensorBoard takes for a run.
        vectors: (n, d).
        rows: class, predicted class and key of each.
        pixels: (n, h, w, 1 or 3) uint8.
        name: of the set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(f"{value:.6g}" for value in vector) for vector in vectors.tolist()]
    write_text(folder / "vectors.tsv", "\n".join(lines) + "\n")
    known = [(label, said, "yes" if label == said else "no", key) for label, said, key in rows]
    table = ["\t".join(map(_cell, row)) for row in (COLUMNS, *known)]
    write_text(folder / "metadata.tsv", "\n".join(table) + "\n")
    with writing(folder / "sprite.png") as temporary:
        _sheet(pixels).save(temporary, "PNG")
    write_text(folder / "projector_config.pbtxt", _settings(name))


def _settings(name: str) -> str:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig, SpriteMetadata

    sprite = SpriteMetadata(image_path="sprite.png", single_image_dim=[SIDE, SIDE])
    info = EmbeddingInfo(tensor_name=name, tensor_path="vectors.tsv", metadata_path="metadata.tsv", sprite=sprite)
    return str(text_format.MessageToString(ProjectorConfig(embeddings=[info])))


def _cell(text: str) -> str:
    return printable(text.replace("\t", " ").replace("\n", " "))


def _sheet(pixels: NDArray[np.uint8]) -> Image.Image:
    """Returns all pictures on a square grid, row by row, as the projector expects them."""
    columns = math.ceil(math.sqrt(len(pixels)))
    sheet = Image.new("RGB", (columns * SIDE, columns * SIDE), "white")
    for at, one in enumerate(pixels):
        picture = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).convert("RGB").resize((SIDE, SIDE))
        sheet.paste(picture, (at % columns * SIDE, at // columns * SIDE))
    return sheet


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
    render_figure(figure, buffer, dpi=110)
    with Image.open(buffer) as picture:
        return np.asarray(picture.convert("RGB"))
