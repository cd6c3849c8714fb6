"""What a model made of the same images after each epoch, recorded while it learns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from striate.data.decoded_cache import DecodedSet
from striate.data.splits import interleave_classes
from striate.errors import ConfigError, RunError, to_printable
from striate.explain.embeddings import build_embedding_model
from striate.explain.feature_maps import get_first_filters
from striate.models.predictor import get_inference_arguments
from striate.reporting import html
from striate.system.atomic_files import write_atomically
from striate.system.backend import keras
from striate.training.history import EpochMetrics

MAX_PREDICTION_IMAGES, MAX_EMBEDDING_IMAGES = 12, 200  # images whose predictions are kept, and whose places are
MAX_FRAMES = 64  # kept at most; of more epochs every second one, every fourth …
MAX_FILTERS_RECORDED = 64
FRAME_ARRAYS = ("epoch", "probabilities", "filters", "vectors")
FORMER_ARRAYS = {"answers": "probabilities", "places": "points", "placed": "point_labels"}
"""Name of an array in runs of format 2 and older → its name now."""

REPLAY_FILE = "replay.safetensors"

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Replay:
    """A training's frames.

    Attributes:
        epochs: (f,) their numbers.
        probabilities: (f, p, classes) probabilities for the images watched, without temperature or mirror images.
        filters: (f, n, h, w, c) the first layer's kernels; (f, 0, 1, 1, 1) of a model without.
        points: (f, q, 2) where images lie by their embedding, on the last frame's principal components.
        pixels: (p, h, w, c) uint8, the images watched.
        labels: (p,) their classes.
        point_labels: (q,) classes of the images that have places.
        image_names: (p,) of the images.
        classes: names.
    """

    epochs: NDArray[np.int32]
    probabilities: Array
    filters: Array
    points: Array
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    point_labels: NDArray[np.int32]
    image_names: tuple[str, ...]
    classes: tuple[str, ...]


class ReplayRecorder:
    """Looks at the whole model after each epoch.

    Args:
        validation_set: validation images; some of every class are chosen.
        seed: of the choice.
    """

    def __init__(self, validation_set: DecodedSet, seed: int = 0) -> None:
        labels = validation_set.images.labels
        order = interleave_classes(np.random.default_rng(seed).permutation(len(labels)), labels)
        self._prediction_indices, placed = order[:MAX_PREDICTION_IMAGES], order[:MAX_EMBEDDING_IMAGES]
        self._pixels = np.stack([validation_set.pixels[int(at)] for at in placed])
        self._labels = labels[placed].astype(np.int32)
        self._image_names = tuple(str(validation_set.images.keys[at]) for at in self._prediction_indices)
        self._classes = validation_set.images.classes
        self._frames: list[tuple[int, Array, Array, Array]] = []
        self._frame_interval = 1
        self._probe: tuple[Any, Any] | None = None

    def __call__(self, model: Any, row: EpochMetrics) -> None:
        """Keeps a frame."""
        if self._frames and self._frames[-1][0] % self._frame_interval:  # the last one was kept as the last alone
            self._frames.pop()
        self._frames.append((row.epoch, *self._compute_frame(model)))
        if len(self._frames) > MAX_FRAMES:
            self._frame_interval *= 2
            self._frames = [
                frame for frame in self._frames if frame[0] % self._frame_interval == 0 or frame is self._frames[-1]
            ]

    def get_state(self) -> dict[str, Array]:
        """Returns the frames so far, as arrays."""
        if not self._frames:
            return {}
        columns = zip(*self._frames, strict=True)
        return {
            "every": np.array(self._frame_interval),
            **{name: np.stack(one) for name, one in zip(FRAME_ARRAYS, columns, strict=True)},
        }

    def restore_state(self, arrays: dict[str, Array]) -> None:
        """Goes on after the frames that `state` returned."""
        if arrays:
            self._frame_interval = int(arrays["every"])
            epochs, *rest = (arrays[name] for name in FRAME_ARRAYS)
            self._frames = list(zip(epochs.tolist(), *rest, strict=True))

    def build_replay(self) -> Replay:
        """Returns what was recorded.

        Raises:
            ConfigError: no epoch was.
        """
        from sklearn.decomposition import PCA

        if not self._frames:
            raise ConfigError("No epoch was recorded")
        numbers, predictions, filters, vectors = zip(*self._frames, strict=True)
        last = vectors[-1].astype(np.float64)
        axes = PCA(min(2, *last.shape), random_state=0).fit(np.nan_to_num(last))
        places = [axes.transform(np.nan_to_num(one.astype(np.float64))) for one in vectors]
        places = [np.pad(one, ((0, 0), (0, 2 - one.shape[1]))) for one in places]
        return Replay(
            np.array(numbers, np.int32),
            np.stack(predictions),
            np.stack(filters),
            np.stack(places).astype(np.float32),
            self._pixels[: len(self._image_names)],
            self._labels[: len(self._image_names)],
            self._labels,
            self._image_names,
            tuple(self._classes),
        )

    def _compute_frame(self, model: Any) -> tuple[Array, Array, Array]:
        if self._probe is None or self._probe[0] is not model:
            self._probe = model, keras.Model(model.input, [build_embedding_model(model).output, model.output])
        probe = self._probe[1]
        vectors, logits = (
            np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")))
            for one in probe(np.asarray(self._pixels, np.float32), **get_inference_arguments(probe))
        )
        watched = logits[: len(self._image_names)].astype(np.float64)
        powers = np.exp(watched - watched.max(axis=1, keepdims=True))
        try:
            filters = get_first_filters(model)[1][:MAX_FILTERS_RECORDED]
        except ConfigError:
            filters = np.zeros((0, 1, 1, 1), np.float32)
        predictions = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return predictions, filters.astype(np.float32), vectors.astype(np.float16)  # places need no more digits


def save_replay(replay: Replay, path: Path) -> None:
    """Writes a replay, whole or not at all."""
    names = ("epochs", "probabilities", "filters", "points", "pixels", "labels", "point_labels")
    arrays = {name: np.ascontiguousarray(getattr(replay, name)) for name in names}
    about = {"image_names": json.dumps(replay.image_names), "classes": json.dumps(replay.classes)}
    with write_atomically(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(arrays, about))  # save_file's can be read by their owner only


def load_replay(path: Path) -> Replay:
    """Returns the replay that `save_replay` wrote.

    Raises:
        RunError: there is none, or it is damaged.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            about = file.metadata()
            arrays = {FORMER_ARRAYS.get(name, name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = about["image_names"] if "image_names" in about else about["names"]
        return Replay(**arrays, image_names=tuple(json.loads(names)), classes=tuple(json.loads(about["classes"])))
    except FileNotFoundError:
        raise RunError("This training was not recorded", received=path, hint="striate train DATA --replay") from None
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"The recording is damaged: {error}", received=path) from None


MAX_PIXELATED_SIDE = 64  # pixels: smaller images are shown with hard edges


def save_replay_page(
    path: Path, run_name: str, replay: Replay, epochs: Sequence[EpochMetrics], best_epoch: int
) -> None:
    """Writes the page, whole or not at all.

    Args:
        path: of the page.
        run_name: the run's.
        replay: what was recorded.
        epochs: the training's history.
        best_epoch: number of the epoch whose weights were kept.
    """
    low, high = replay.points.min(axis=(0, 1)), replay.points.max(axis=(0, 1))
    half = float((high - low).max()) / 2 or 1.0
    content = {
        "classes": [to_printable(one) for one in replay.classes],
        "epochs": replay.epochs.tolist(),
        "probabilities": np.round(replay.probabilities, 4).tolist(),
        "filters": np.round(np.nan_to_num(replay.filters), 4).tolist(),
        "points": np.round((replay.points - (low + high) / 2) / half, 4).tolist(),
        "pointLabels": replay.point_labels.tolist(),
        "images": [
            {"name": to_printable(Path(name).name or name), "label": int(label), "src": html.encode_image_uri(one)}
            for name, label, one in zip(replay.image_names, replay.labels, replay.pixels, strict=True)
        ],
        "tiny": max(replay.pixels.shape[1:3]) <= MAX_PIXELATED_SIDE,
        "history": [
            [one.epoch, one.loss, one.val_loss, one.accuracy, one.val_accuracy]
            for one in epochs
            if np.isfinite([one.loss, one.val_loss]).all()
        ],
        "kept": best_epoch,
    }
    html.save_page(
        path,
        "striate.explain",
        "replay.html.j2",
        name=to_printable(run_name),
        frames=len(replay.epochs),
        image_count=len(replay.point_labels),
        data=html.to_inline_json(content),
        script=html.load_script("striate.explain", "el.js", "classes.js", "replay.js"),
    )
