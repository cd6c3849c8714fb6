"""Classifier: THE WAIST. What training makes, and all that prediction, reports, export and serving need.

On disk it is a folder that can be moved anywhere on its own:

    classifier.json       the manifest, written last: format, classes, preprocessing, temperature, checksums
    network.json          the network's layers (see network.py)
    weights.safetensors   its weights
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from striate.environment import version_of
from striate.errors import ClassifierError, DataError, PictureError
from striate.files import sha256, write_json
from striate.images.imageset import Picture
from striate.images.pixels import Preprocessing
from striate.images.sources.given import listed
from striate.manifest import FORMAT, Manifest, read_manifest
from striate.prediction import Prediction, Predictions
from striate.progress import SILENT, Progress

if TYPE_CHECKING:
    from striate.inference import Answers

BATCH = 256  # pictures per forward pass


class Classifier:
    """A network with its class names and its preprocessing.

    Args:
        model: (b, h, w, c) pictures in 0..255 → (b, classes) logits.
        classes: class names in the order of the logits.
        preprocessing: how any picture becomes the model's input.
        temperature: what logits are divided by before the softmax.
        architecture: the network's name, for people.
    """

    def __init__(
        self,
        model: Any,
        classes: Sequence[str],
        preprocessing: Preprocessing,
        *,
        temperature: float = 1.0,
        architecture: str = "custom",
    ) -> None:
        self.model = model
        self.classes = tuple(classes)
        self.preprocessing = preprocessing
        self.temperature = temperature
        self.architecture = architecture
        self._answers: Answers | None = None

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Class names as an array, under scikit-learn's name."""
        return np.array(self.classes, np.str_)

    @overload
    def predict(self, pictures: str | Path | bytes, *, progress: Progress = ...) -> Prediction: ...
    @overload
    def predict(self, pictures: Sequence[Any] | NDArray[np.uint8], *, progress: Progress = ...) -> Predictions: ...
    def predict(self, pictures: Any, *, progress: Progress = SILENT) -> Prediction | Predictions:
        """Returns what the pictures show: a Prediction for one, Predictions for several.

        Args:
            pictures: one picture (path, encoded bytes, an open file, a Pillow image, or an array (h, w), (h, w, 1 or 3)
                uint8); or several: a folder, a glob, a list of any of these, or an array (n, h, w, 1 or 3). An array
                (h, w, 3) is one picture.
            progress: told the number of pictures done.

        Raises:
            PictureError: the one picture cannot be decoded. Among several, such a picture has `error` set instead.
            DataError: a folder or glob without a file, or an array of another shape or type.
        """
        names, sources, several = listed(pictures)
        if several:
            return Predictions(self.stream(sources, names, progress=progress))
        pixels = self._decoded(sources[0])
        if isinstance(pixels, str):
            raise PictureError(f"{names[0]}: {pixels}")
        return self._prediction(names[0], self.probabilities(pixels[None])[0])

    def stream(
        self, sources: Sequence[Picture], names: Sequence[str], *, progress: Progress = SILENT
    ) -> Iterator[Prediction]:
        """Yields one Prediction per source, in order, decoding the next pictures while the network works."""
        chunks = [range(start, min(start + BATCH, len(sources))) for start in range(0, len(sources), BATCH)]
        with ThreadPoolExecutor() as pool, progress.task("predicting", len(sources), "pictures") as task:
            ahead: list[Any] = [pool.map(self._decoded, [sources[i] for i in chunk]) for chunk in chunks[:1]]
            for number, chunk in enumerate(chunks):
                if number + 1 < len(chunks):
                    ahead.append(pool.map(self._decoded, [sources[i] for i in chunks[number + 1]]))
                decoded = list(ahead.pop(0))
                whole = [pixels for pixels in decoded if not isinstance(pixels, str)]
                rows: Iterator[Any] = iter(self.probabilities(np.stack(whole)) if whole else ())
                for index, pixels in zip(chunk, decoded, strict=True):
                    if isinstance(pixels, str):
                        yield Prediction(names[index], None, None, {}, error=pixels)
                    else:
                        yield self._prediction(names[index], next(rows))
                task.advance(len(chunk))

    def predict_proba(self, pictures: Any) -> NDArray[np.float64]:
        """Returns (n, classes) probabilities in the order of `classes_`; takes what `predict` takes.

        Raises:
            PictureError: a picture cannot be decoded (there is no row that could stand for it).
        """
        names, sources, _ = listed(pictures)
        decoded = [self._decoded(source) for source in sources]
        for name, pixels in zip(names, decoded, strict=True):
            if isinstance(pixels, str):
                raise PictureError(f"{name}: {pixels}")
        return self.probabilities(np.stack(decoded) if decoded else np.empty((0, *self.preprocessing.shape), np.uint8))

    def score(self, pictures: Any, labels: ArrayLike) -> float:
        """Returns the share of pictures whose predicted class equals its label (names, as in `classes`), 0..1.

        Raises:
            PictureError: a picture cannot be decoded.
            DataError: not one label per picture, or no picture.
        """
        predicted = self.predict_proba(pictures).argmax(axis=1)
        names = np.asarray(labels).astype(np.str_)
        if names.shape != predicted.shape or not len(names):
            raise DataError("One label per picture is needed", received=names.shape, expected=f"({len(predicted)},)")
        return float(np.mean(self.classes_[predicted] == names))

    def probabilities(
        self, pixels: NDArray[np.uint8], *, advance: Callable[[int], None] | None = None
    ) -> NDArray[np.float64]:
        """Returns (n, classes) probabilities for pictures that are already preprocessed: (n, h, w, c) uint8."""
        return np.exp(self.log_probabilities(pixels, advance=advance))

    def log_probabilities(
        self, pixels: NDArray[np.uint8], *, advance: Callable[[int], None] | None = None
    ) -> NDArray[np.float64]:
        """Returns (n, classes) logarithms of the probabilities; `advance` is told the pictures done, batch by batch."""
        if self._answers is None or self._answers.model is not self.model:
            from striate.inference import Answers

            self._answers = Answers(self.model)
        rows = []
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            rows.append(self._answers(_padded(part, whole=len(pixels) > BATCH))[: len(part)])
            if advance is not None:
                advance(len(part))
        logits = np.concatenate(rows) if rows else np.empty((0, len(self.classes)))
        result: NDArray[np.float64] = log_softmax(np.asarray(logits, np.float64) / self.temperature, axis=1)
        return result

    def save(self, folder: Path | str) -> None:
        """Writes the classifier's folder, its manifest with the checksums last, so that half a classifier is never
        taken for a whole. A classifier that lies there already stays if this one is refused.

        Raises:
            ClassifierError: the network holds layers that are not plain Keras.
        """
        from striate.network import save_network

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        network, weights = folder / "network.json", folder / "weights.safetensors"
        save_network(self.model, network, weights)
        write_json(
            folder / "classifier.json",
            Manifest(
                format=FORMAT,
                architecture=self.architecture,
                classes=self.classes,
                preprocessing=self.preprocessing,
                temperature=self.temperature,
                sha256={path.name: sha256(path) for path in (network, weights)},
                made_with={name: version_of(name) or "unknown" for name in ("striate", "keras")},
            ),
        )

    @classmethod
    def load(cls, folder: Path | str) -> Classifier:
        """Returns the classifier in `folder` (a classifier's or a run's). No code in it is run.

        Raises:
            ClassifierError: missing, damaged, from a newer Striate, or holding more than plain layers.
        """
        from striate.network import load_network

        folder = Path(folder)
        if (folder / "classifier" / "classifier.json").is_file():
            folder = folder / "classifier"
        manifest = read_manifest(folder / "classifier.json")
        for name in ("network.json", "weights.safetensors"):
            path = folder / name
            if not path.is_file() or sha256(path) != manifest.sha256.get(name):
                raise ClassifierError(
                    f"{name} is {'damaged' if path.is_file() else 'missing'}",
                    received=path,
                    hint="another copy of the classifier, or train again",
                )
        model = load_network(folder / "network.json", folder / "weights.safetensors")
        if tuple(model.output_shape) != (None, len(manifest.classes)):
            raise ClassifierError(
                "The manifest names another number of classes than the network tells apart",
                received=f"{len(manifest.classes)} names, network output {model.output_shape}",
            )
        if tuple(model.input_shape) != (None, *manifest.preprocessing.shape):
            raise ClassifierError(
                "The manifest's preprocessing does not fit the network",
                received=f"pictures of {manifest.preprocessing.shape}, network input {model.input_shape}",
            )
        return cls(
            model,
            manifest.classes,
            manifest.preprocessing,
            temperature=manifest.temperature,
            architecture=manifest.architecture,
        )

    def _decoded(self, source: Picture) -> NDArray[np.uint8] | str:
        try:
            return self.preprocessing(source)
        except PictureError as error:
            return error.problem

    def _prediction(self, name: str, row: NDArray[np.float64]) -> Prediction:
        order = np.argsort(-row, kind="stable")
        shares = {self.classes[index]: float(row[index]) for index in order}
        return Prediction(name, self.classes[order[0]], float(row[order[0]]), shares)


def _padded(pixels: NDArray[np.uint8], *, whole: bool) -> NDArray[np.uint8]:
    """Returns the batch filled up to a whole one or to a power of two, so that a backend compiles few shapes."""
    size = BATCH if whole else 1 << (len(pixels) - 1).bit_length()
    filling = np.broadcast_to(pixels[:1], (size - len(pixels), *pixels.shape[1:]))
    return np.concatenate([pixels, filling]) if len(filling) else pixels
