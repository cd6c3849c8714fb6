"""Classifier: THE WAIST. What training makes, and all that prediction, reports, export and serving need.

On disk it is a folder that can be moved anywhere on its own:

    classifier.json       the manifest, written after these two: format, classes, preprocessing, temperature, checksums
    network.json          the model's layers (see network.py)
    weights.safetensors   its weights
    SHA256SUMS            the checksums of these three
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.decoding import ImageSource
from striate.data.inputs import normalize_inputs
from striate.data.prefetch import DecodeResult, decode_or_error, iter_decoded
from striate.data.preprocessing import Preprocessing
from striate.errors import ClassifierError, DataError, ImageDecodeError
from striate.models.classifier_manifest import (
    CLASSIFIER_FORMAT,
    ClassifierManifest,
    TtaMode,
    load_classifier_manifest,
    require_matching_model,
    require_regular_files,
    require_valid_values,
    verify_files,
    verify_manifest_checksum,
)
from striate.models.onnx_model import OnnxModel
from striate.prediction import Prediction, Predictions, build_prediction
from striate.progress import NO_PROGRESS, Progress
from striate.system.atomic_files import compute_sha256, write_json
from striate.system.backend_choice import get_package_version
from striate.system.checksums import write_checksums

if TYPE_CHECKING:
    from striate.models.predictor import CompiledPredictor, PredictFunction

BATCH_SIZE = 256  # images per forward pass
MIN_PROBABILITY = float(np.finfo(np.float32).tiny)  # the least probability that a logarithm is taken of
MODEL_FILE, WEIGHTS_FILE = "network.json", "weights.safetensors"


class Classifier:
    """A model with its class names and its preprocessing.

    Args:
        model: (b, h, w, c) images in 0..255 → (b, classes) logits; or an exported graph, which answers with
            probabilities itself (see portable.OnnxNetwork).
        classes: class names in the order of the logits.
        preprocessing: how any image becomes the model's input.
        temperature: what logits are divided by before the softmax.
        architecture: the model's name, for people.
        tta: test-time augmentation: `mirror` answers with the mean of the logits for an image and for its mirror
            image, in twice the time; `multicrop` over six views of it (see inference.VIEWS).
        reject_below: confidence below which `predict` abstains, 0..1; 0 for never.
    """

    def __init__(
        self,
        model: Any,
        classes: Sequence[str],
        preprocessing: Preprocessing,
        *,
        temperature: float = 1.0,
        architecture: str = "custom",
        tta: TtaMode = "none",
        reject_below: float = 0.0,
    ) -> None:
        self.model = model
        self.classes = tuple(classes)
        self.preprocessing = preprocessing
        self.temperature = temperature
        self.architecture = architecture
        self.tta: TtaMode = tta
        self.reject_below = reject_below
        self._predictor: CompiledPredictor | None = None

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Class names as an array, under scikit-learn's name."""
        return np.array(self.classes, np.str_)

    @overload
    def predict(
        self, images: str | Path | bytes, *, reject_below: float | None = ..., progress: Progress = ...
    ) -> Prediction: ...
    @overload
    def predict(
        self, images: Sequence[Any] | NDArray[np.uint8], *, reject_below: float | None = ..., progress: Progress = ...
    ) -> Predictions: ...
    def predict(
        self, images: Any, *, reject_below: float | None = None, progress: Progress = NO_PROGRESS
    ) -> Prediction | Predictions:
        """Returns what the images show: a Prediction for one, Predictions for several.

        Args:
            images: one image (path, encoded bytes, an open file, a Pillow image, or an array (h, w), (h, w, 1 or 3)
                uint8); or several: a folder, a glob, a list of any of these, or an array (n, h, w, 1 or 3). An array
                (h, w, 3) is one image.
            reject_below: confidence below which the classifier abstains, 0..1; by default its
                own.
            progress: told the number of images done.

        Raises:
            ImageDecodeError: the one image cannot be decoded. Among several, such an image has `error` set instead.
            DataError: a folder or glob without a file, or an array of another shape or type.
        """
        names, sources, several = normalize_inputs(images)
        if several:
            return Predictions(self.iter_predictions(sources, names, reject_below=reject_below, progress=progress))
        pixels = decode_or_error(self.preprocessing, sources[0])
        if isinstance(pixels, str):
            raise ImageDecodeError(f"{names[0]}: {pixels}")
        return build_prediction(
            names[0], self.classes, self.predict_probabilities(pixels[None])[0], self._resolve_threshold(reject_below)
        )

    def iter_predictions(
        self,
        sources: Sequence[ImageSource],
        names: Sequence[str],
        *,
        reject_below: float | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> Iterator[Prediction]:
        """Yields one Prediction per source, in order, decoding the next images while the model works."""
        given, limit = iter(names), self._resolve_threshold(reject_below)
        with progress.track("predicting", len(sources), "images") as task:
            for batch, rows in self._iter_batches(sources):
                predictions = iter(rows)
                for pixels, name in zip(batch, given, strict=False):
                    if isinstance(pixels, str):
                        yield Prediction(name, None, None, {}, error=pixels)
                    else:
                        yield build_prediction(name, self.classes, next(predictions), limit)
                task.advance(len(batch))

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        """Returns (n, classes) probabilities in the order of `classes_`; takes what `predict` takes.

        Raises:
            ImageDecodeError: an image cannot be decoded (there is no row that could stand for it).
        """
        names, sources, _ = normalize_inputs(images)
        given, found = iter(names), [np.empty((0, len(self.classes)))]
        for batch, rows in self._iter_batches(sources):
            for pixels, name in zip(batch, given, strict=False):
                if isinstance(pixels, str):
                    raise ImageDecodeError(f"{name}: {pixels}")
            found.append(rows)
        return np.concatenate(found)

    def score(self, images: Any, labels: ArrayLike) -> float:
        """Returns the fraction of images whose predicted class equals its label (names, as in `classes`), 0..1.

        Raises:
            ImageDecodeError: an image cannot be decoded.
            DataError: not one label per image, or no image.
        """
        predicted = self.predict_proba(images).argmax(axis=1)
        names = np.asarray(labels).astype(np.str_)
        if names.shape != predicted.shape or not len(names):
            raise DataError("One label per image is needed", received=names.shape, expected=f"({len(predicted)},)")
        return float(np.mean(self.classes_[predicted] == names))

    def predict_probabilities(
        self, pixels: NDArray[np.uint8], *, advance: Callable[[int], None] | None = None
    ) -> NDArray[np.float64]:
        """Returns (n, classes) probabilities for images that are already preprocessed: (n, h, w, c) uint8."""
        return self._predict_in_batches(self._compute_probabilities, pixels, advance)

    def predict_log_probabilities(
        self, pixels: NDArray[np.uint8], *, advance: Callable[[int], None] | None = None
    ) -> NDArray[np.float64]:
        """Returns (n, classes) logarithms of the probabilities; `advance` is told the images done, batch by batch."""
        return self._predict_in_batches(self._compute_log_probabilities, pixels, advance)

    def _predict_in_batches(
        self,
        compute_batch: Callable[[PredictFunction, NDArray[np.uint8], bool], NDArray[np.float64]],
        pixels: NDArray[np.uint8],
        advance: Callable[[int], None] | None,
    ) -> NDArray[np.float64]:
        """Returns what `compute_batch` answers, batch by batch."""
        prediction, several = self._get_predict_function(len(pixels)), len(pixels) > BATCH_SIZE
        rows = []
        for start in range(0, len(pixels), BATCH_SIZE):
            part = pixels[start : start + BATCH_SIZE]
            rows.append(compute_batch(prediction, part, several))
            if advance is not None:
                advance(len(part))
        if len(rows) == 1:
            return rows[0]
        return np.concatenate([np.empty((0, len(self.classes))), *rows])

    def _iter_batches(self, sources: Sequence[ImageSource]) -> Iterator[tuple[list[DecodeResult], NDArray[np.float64]]]:
        """Yields what was decoded, and the (n, classes) probabilities of those that could be."""
        prediction, several = self._get_predict_function(len(sources)), len(sources) > BATCH_SIZE
        for batch in iter_decoded(self.preprocessing, sources, BATCH_SIZE):
            whole = [pixels for pixels in batch if not isinstance(pixels, str)]
            yield (
                batch,
                self._compute_probabilities(prediction, np.stack(whole), several)
                if whole
                else np.empty((0, len(self.classes))),
            )

    def _resolve_threshold(self, reject_below: float | None) -> float:
        return self.reject_below if reject_below is None else reject_below

    def _get_predict_function(self, image_count: int) -> PredictFunction:
        """Returns what answers for batches of so many images together."""
        if isinstance(self.model, OnnxModel):
            return self.model
        if self._predictor is None or self._predictor.model is not self.model or self._predictor.tta != self.tta:
            from striate.models.predictor import CompiledPredictor

            self._predictor = CompiledPredictor(self.model, tta=self.tta)
        return self._predictor.get_predict_function(image_count)

    def _compute_probabilities(
        self, predict_function: PredictFunction, pixels: NDArray[np.uint8], has_many_batches: bool
    ) -> NDArray[np.float64]:
        """Returns the probabilities for one batch."""
        if isinstance(predict_function, OnnxModel):
            return predict_function(pixels).astype(np.float64)
        return np.exp(self._compute_log_probabilities(predict_function, pixels, has_many_batches))

    def _compute_log_probabilities(
        self, predict_function: PredictFunction, pixels: NDArray[np.uint8], has_many_batches: bool
    ) -> NDArray[np.float64]:
        """Returns their logarithms; the last of several batches is filled up to their size."""
        from scipy.special import log_softmax

        if isinstance(predict_function, OnnxModel):
            return np.log(np.maximum(predict_function(pixels).astype(np.float64), MIN_PROBABILITY))
        logits = np.asarray(predict_function(_pad_batch(pixels, is_full=has_many_batches))[: len(pixels)], np.float64)
        result: NDArray[np.float64] = log_softmax(logits / self.temperature, axis=1)
        return result

    def require_keras_model(self) -> None:
        """Raises ClassifierError where there are answers alone, and no layers: those of an exported file."""
        if isinstance(self.model, OnnxModel):
            raise ClassifierError("This classifier is an exported file already", hint="copy the file, or name its run")

    def save(self, folder: Path | str) -> None:
        """Writes the classifier's folder, its manifest with the checksums last, so that half a classifier is never
        taken for a whole. A classifier that lies there already stays if this one is refused.

        Raises:
            ClassifierError: the model holds layers that are not plain Keras, or is an exported graph.
        """
        from striate.models.serialization import save_model

        self.require_keras_model()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        model, weights = folder / MODEL_FILE, folder / WEIGHTS_FILE
        save_model(self.model, model, weights)
        write_json(
            folder / "classifier.json",
            ClassifierManifest(
                format=CLASSIFIER_FORMAT,
                architecture=self.architecture,
                classes=self.classes,
                preprocessing=self.preprocessing,
                temperature=self.temperature,
                tta=self.tta,
                reject_below=self.reject_below,
                sha256={path.name: compute_sha256(path) for path in (model, weights)},
                versions={name: get_package_version(name) or "unknown" for name in ("striate", "keras")},
            ),
        )
        write_checksums(folder, ("classifier.json", MODEL_FILE, WEIGHTS_FILE))

    @classmethod
    def load(cls, folder: Path | str, *, threads: int | None = None) -> Classifier:
        """Returns the classifier in `folder` (a classifier's or a run's), or in an ONNX file that Striate exported, for
        which no Keras is needed. No code in it is run.

        Args:
            folder: the folder or the file.
            threads: processors that an ONNX file may be answered with; None for all.

        Raises:
            ClassifierError: missing, damaged, from a newer Striate, or holding more than plain layers.
        """
        folder = Path(folder)
        if folder.suffix.lower() == ".onnx":
            return cls._from_onnx(OnnxModel(folder, threads), folder)
        from striate.models.serialization import load_model

        if (folder / "classifier" / "classifier.json").is_file():
            folder = folder / "classifier"
        manifest = load_classifier_manifest(folder / "classifier.json")
        verify_manifest_checksum(manifest, folder)
        require_regular_files(folder, (MODEL_FILE, WEIGHTS_FILE))
        verify_files(manifest, folder, (MODEL_FILE, WEIGHTS_FILE))
        model = load_model(folder / MODEL_FILE, folder / WEIGHTS_FILE)
        require_matching_model(manifest, model)
        return cls(
            model,
            manifest.classes,
            manifest.preprocessing,
            temperature=manifest.temperature,
            architecture=manifest.architecture,
            tta=manifest.tta,
            reject_below=manifest.reject_below,
        )

    @classmethod
    def _from_onnx(cls, model: OnnxModel, path: Path) -> Classifier:
        """Returns the classifier in an ONNX file: its temperature and test-time augmentation are within the graph."""
        manifest = model.manifest
        require_valid_values(manifest, path)
        require_matching_model(manifest, model)
        return cls(
            model,
            manifest.classes,
            manifest.preprocessing,
            architecture=manifest.architecture,
            reject_below=manifest.reject_below,
        )


def _pad_batch(pixels: NDArray[np.uint8], *, is_full: bool) -> NDArray[np.uint8]:
    """Returns the batch filled up to a whole one or to a power of two, so that a backend compiles few shapes."""
    size = BATCH_SIZE if is_full else 1 << (len(pixels) - 1).bit_length()
    filling = np.broadcast_to(pixels[:1], (size - len(pixels), *pixels.shape[1:]))
    return np.concatenate([pixels, filling]) if len(filling) else pixels
