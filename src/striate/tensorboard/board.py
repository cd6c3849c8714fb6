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

from striate.errors import StriateError, to_printable
from striate.evaluation import plots
from striate.evaluation.evaluate import Evaluation
from striate.explain.embeddings import compute_embeddings
from striate.models.layer_graph import iter_nodes, make_unique_name
from striate.reporting.figures import render_figure
from striate.runs.run import Run
from striate.system.atomic_files import write_atomically, write_text
from striate.system.backend import keras
from striate.tensorboard.events import EVENTS_FOLDER, EventFileWriter
from striate.training.history import EpochMetrics

INPUT_NODE_NAME = "images"

BLOCK_PREFIX = re.compile(r"((?:^|(?<=/)|(?<=\d_))(?:stage|block)\d+)_")
"""The beginnings of names, such as `stage1_block2_`, that become groups within groups."""


def build_graph_def(model: Any) -> Any:
    """Returns a GraphDef with one node for each use of a layer, in the order of the computation.

    Args:
        model: a functional or Sequential keras.Model with one input.
    """
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    def make_node(name: str, op_type: str, inputs: list[str], shape: Any) -> Any:
        sides = [TensorShapeProto.Dim(size=-1 if side is None else side) for side in shape]
        shapes = AttrValue.ListValue(shape=[TensorShapeProto(dim=sides)])
        return NodeDef(name=name, op=op_type, input=inputs, attr={"_output_shapes": AttrValue(list=shapes)})

    (image,) = model.inputs
    seen, taken = {id(image): INPUT_NODE_NAME}, {INPUT_NODE_NAME}
    nodes = [make_node(INPUT_NODE_NAME, "InputLayer", [], image.shape)]
    for name, call in iter_nodes(model, seen):
        inputs = [seen[id(tensor)] for tensor in call.input_tensors]
        own = make_unique_name(BLOCK_PREFIX.sub(r"\1/", name), taken)
        taken.add(own)
        (output,) = call.output_tensors
        nodes.append(make_node(own, type(call.operation).__name__, inputs, output.shape))
        seen[id(output)] = own
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


SPRITE_SIDE = 48  # pixels of a thumbnail
METADATA_COLUMNS = ("class", "predicted", "correct", "image")


def write_projector_files(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: Sequence[tuple[str, str, str]],
    pixels: NDArray[np.uint8],
    tensor_name: str,
) -> None:
    """Writes what TensorBoard's projector shows of one set of images.

    Args:
        folder: which TensorBoard takes for a run.
        vectors: (n, d).
        rows: class, predicted class and key of each.
        pixels: (n, h, w, 1 or 3) uint8.
        tensor_name: of the set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(f"{value:.6g}" for value in vector) for vector in vectors.tolist()]
    write_text(folder / "vectors.tsv", "\n".join(lines) + "\n")
    known = [(label, said, "yes" if label == said else "no", key) for label, said, key in rows]
    table = ["\t".join(map(_format_cell, row)) for row in (METADATA_COLUMNS, *known)]
    write_text(folder / "metadata.tsv", "\n".join(table) + "\n")
    with write_atomically(folder / "sprite.png") as temporary:
        _build_sprite(pixels).save(temporary, "PNG")
    write_text(folder / "projector_config.pbtxt", _render_projector_config(tensor_name))


def _render_projector_config(tensor_name: str) -> str:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig, SpriteMetadata

    sprite = SpriteMetadata(image_path="sprite.png", single_image_dim=[SPRITE_SIDE, SPRITE_SIDE])
    info = EmbeddingInfo(
        tensor_name=tensor_name, tensor_path="vectors.tsv", metadata_path="metadata.tsv", sprite=sprite
    )
    return str(text_format.MessageToString(ProjectorConfig(embeddings=[info])))


def _format_cell(text: str) -> str:
    return to_printable(text.replace("\t", " ").replace("\n", " "))


def _build_sprite(pixels: NDArray[np.uint8]) -> Image.Image:
    """Returns all images on a square grid, row by row, as the projector expects them."""
    columns = math.ceil(math.sqrt(len(pixels)))
    sheet = Image.new("RGB", (columns * SPRITE_SIDE, columns * SPRITE_SIDE), "white")
    for at, one in enumerate(pixels):
        image = (
            Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one)
            .convert("RGB")
            .resize((SPRITE_SIDE, SPRITE_SIDE))
        )
        sheet.paste(image, (at % columns * SPRITE_SIDE, at // columns * SPRITE_SIDE))
    return sheet


MAX_PROJECTED_IMAGES = 1000  # images in the projector
SAMPLES_PER_CLASS, MAX_SAMPLED_CLASSES = 8, 50  # images of a class, and classes, among the sample images
MAX_HISTOGRAM_VALUES = 2_000_000  # numbers of an array above which some of them stand for all in a histogram


class TensorBoardLogger:
    """Tells TensorBoard of a training as it happens: curves, and how the weights are spread after each epoch.

    Args:
        folder: the run's, in which `tensorboard/train` and `tensorboard/validation` are made.
        epoch_count: written already; what earlier files hold of later ones is not shown any more.
    """

    def __init__(self, folder: Path, epoch_count: int = 0) -> None:
        self.train_writer = EventFileWriter(folder / EVENTS_FOLDER / "train")
        self.validation_writer = EventFileWriter(folder / EVENTS_FOLDER / "validation")
        for file in (self.train_writer, self.validation_writer):
            file.discard_from_step(epoch_count + 1)

    def log_epoch(self, model: Any, metrics: EpochMetrics) -> None:
        """Adds an epoch."""
        self.log_metrics(metrics)
        self.log_weights(model, metrics.epoch)

    def log_metrics(self, metrics: EpochMetrics, wall_time: float | None = None) -> None:
        """Adds the figures of an epoch."""
        for tag, value in (
            ("loss", metrics.loss),
            ("accuracy", metrics.accuracy),
            ("learning_rate", metrics.learning_rate),
        ):
            self.train_writer.add_scalar(tag, value, metrics.epoch, wall_time)
        self.train_writer.add_scalar("images_per_second", metrics.images_per_second, metrics.epoch, wall_time)
        for tag, value in (("loss", metrics.val_loss), ("accuracy", metrics.val_accuracy)):
            self.validation_writer.add_scalar(tag, value, metrics.epoch, wall_time)

    def log_weights(self, model: Any, epoch: int, wall_time: float | None = None) -> None:
        """Adds how each array of weights that learn is spread."""
        for variable in model.trainable_weights:
            values = np.asarray(keras.ops.convert_to_numpy(variable.value), np.float32).ravel()
            self.train_writer.add_histogram(
                f"weights/{variable.path}", values[:: -(-len(values) // MAX_HISTOGRAM_VALUES)], epoch, wall_time
            )

    def close(self) -> None:
        """Closes the files."""
        self.train_writer.close()
        self.validation_writer.close()


def write_evaluation(folder: Path, classifier: Any, evaluation: Evaluation | None, epoch: int) -> None:
    """Adds the model's graph and what is known of the test images: samples of every class, the confusion matrix,
    the projector.

    Args:
        folder: the run's.
        classifier: the run's.
        evaluation: on the test images; None where these are gone.
        epoch: whose weights were kept.
    """
    events = EventFileWriter(folder / EVENTS_FOLDER / "test")
    try:
        with contextlib.suppress(AttributeError, ValueError):  # a subclass of keras.Model, or several inputs
            events.add_graph(build_graph_def(classifier.model))
        if evaluation is not None:
            _write_images(events, evaluation, epoch)
    finally:
        events.close()
    if evaluation is not None:
        _write_projector(folder, classifier, evaluation)


def write_finished_run(run: Run, evaluation: Evaluation | None) -> None:
    """Writes everything of a run that was trained without TensorBoard; of the weights, those that were kept.

    Args:
        run: finished.
        evaluation: on its test images; None where these are gone.
    """
    board = TensorBoardLogger(run.path)
    try:
        history = run.history
        when = datetime.fromisoformat(run.manifest.started_at).timestamp()
        for row in history.epochs:
            when += row.seconds
            board.log_metrics(row, when)
        board.log_weights(run.classifier.model, history.best_epoch, when)
    finally:
        board.close()
    write_evaluation(run.path, run.classifier, evaluation, history.best_epoch)


def _write_images(writer: EventFileWriter, evaluation: Evaluation, epoch: int) -> None:
    labels, names = evaluation.decoded_set.images.labels, evaluation.decoded_set.images.classes
    for label, name in list(enumerate(names))[:MAX_SAMPLED_CLASSES]:
        own = [evaluation.decoded_set.pixels[int(at)] for at in np.flatnonzero(labels == label)[:SAMPLES_PER_CLASS]]
        if own:
            writer.add_image(f"images/{to_printable(name)}", np.concatenate(own, axis=1), epoch)
    writer.add_image("confusion", _render_pixels(plots.draw_confusion_matrix(evaluation.report)), epoch)


def _write_projector(folder: Path, classifier: Any, evaluation: Evaluation) -> None:
    images = evaluation.decoded_set.images
    some = np.sort(np.random.default_rng(0).permutation(len(images))[:MAX_PROJECTED_IMAGES])
    if not len(some):
        return
    pixels = np.stack([evaluation.decoded_set.pixels[int(at)] for at in some])
    try:
        vectors = compute_embeddings(classifier.model, pixels)
    except StriateError:  # a model of the user's own that has no vector before its last layer
        return
    names, predicted = images.classes, evaluation.predicted_labels
    rows = [(names[images.labels[at]], names[predicted[at]], str(images.keys[at])) for at in some]
    write_projector_files(folder / EVENTS_FOLDER / "test", vectors, rows, pixels, "test images")


def _render_pixels(figure: Any) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    render_figure(figure, buffer, dpi=110)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))
