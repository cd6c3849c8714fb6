"""A run's own explainer: test images, answered wrongly and rightly, on their way through its model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.image_set import ImageSet
from striate.data.splits import load_splits
from striate.errors import DataError, StriateError
from striate.evaluation.evaluate import Evaluation
from striate.evaluation.plots import select_examples
from striate.explain.attribution import Attributor, resolve_method
from striate.explain.embedding_map import LabeledImages, save_embedding_map
from striate.explain.embeddings import Neighbors, compute_embeddings, find_neighbors
from striate.explain.explainer.html import MAX_EXPLAINER_IMAGES, save_explainer
from striate.explain.explainer.payload import ExplainerImage
from striate.explain.heatmap import normalize_heatmap
from striate.explain.projection import Projection, project_embeddings
from striate.progress import NO_PROGRESS, Progress
from striate.runs.run import Run
from striate.training.history import History
from striate.workflows.run_data import own_set, some_decoded

INSIDE = "inside.html"
MOST = 6 * 2**20  # bytes of weights in a page that nobody asked for


def save_inside(
    run: Run, classifier: Classifier, history: History, measured: Evaluation, progress: Progress = NO_PROGRESS
) -> None:
    """Writes the page, unless the model cannot be explained; that is said, and costs the run nothing."""
    right, wrong = select_examples(measured, MAX_EXPLAINER_IMAGES)
    shown = np.concatenate([wrong[: MAX_EXPLAINER_IMAGES // 2], right])[:MAX_EXPLAINER_IMAGES]
    if not len(shown):
        return
    try:
        _save(run, classifier, history, measured, shown)
    except StriateError as error:
        progress.log(f"No page of what is inside the model was made: {error}")


def _save(run: Run, classifier: Classifier, history: History, measured: Evaluation, shown: NDArray[np.intp]) -> None:
    images, pixels = measured.decoded_set.images, np.stack([measured.decoded_set.pixels[int(index)] for index in shown])
    method = resolve_method(classifier.model)
    heat = Attributor(classifier, method)(pixels, measured.predicted_labels[shown].astype(np.intp)).heatmaps
    pictures = [
        ExplainerImage(str(images.keys[index]), one, images.classes[images.labels[index]], normalize_heatmap(warm))
        for index, one, warm in zip(shown.tolist(), pixels, heat, strict=True)
    ]
    save_explainer(
        run.path / INSIDE,
        classifier,
        pictures,
        run_name=run.name,
        method=method,
        epochs=history.epochs,
        best_epoch=history.best_epoch,
        max_weight_bytes=MOST,
    )


SHOWN, KNOWN = 1000, 10_000  # images on the map; training images that are looked through


@dataclass(frozen=True, eq=False)
class Mapped:
    """A map and what it is made of; see save_embedding_map for the parts."""

    run: Run
    split: str
    shown: LabeledImages
    probabilities: NDArray[np.float64]
    projection: Projection
    known: LabeledImages
    resemblance: Neighbors

    def save(self, path: Path) -> None:
        """Writes the page."""
        save_embedding_map(
            path,
            self.run.name,
            self.split,
            self.run.classifier.classes,
            self.shown,
            self.probabilities,
            self.projection,
            self.known,
            self.resemblance,
            (self.accuracy, self.neighbours_accuracy),
        )

    @cached_property
    def accuracy(self) -> float:
        """Fraction of the images on the map for which the classifier is right, 0..1."""
        return float(np.mean(self.probabilities.argmax(axis=1) == self.shown.labels))

    @cached_property
    def neighbours_accuracy(self) -> float:
        """Share for which the class of most of the nearest training images is right, 0..1."""
        return float(np.mean(self.resemblance.vote_labels(self.known.labels) == self.shown.labels))


def mapped(
    run: Run,
    split: str = "test",
    *,
    method: str = "pca",
    most: int = SHOWN,
    neighbours: int = 5,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> Mapped:
    """Returns the map of a run's test or validation images.

    Args:
        run: finished.
        split: `test` or `validation`.
        method: see projection.project.
        most: images on the map; of more, so many drawn at random.
        neighbours: training images that each is compared to.
        seed: of the drawing, and of the method.
        progress: shows what happens.

    Raises:
        DataError: the images are gone, were handed over in Python, or are too few.
        ConfigError: the model has no vector before its last layer, or UMAP is not installed.
    """
    classifier = run.classifier
    splits = load_splits(own_set(run, progress=progress), run.get_verified_file("split.csv"))
    shown = _decoded(run, splits.test if split == "test" else splits.validation, most, seed, progress)
    known = _decoded(run, splits.train, KNOWN, seed, progress)
    vectors, others = (compute_embeddings(classifier.model, one.pixels, progress=progress) for one in (shown, known))
    return Mapped(
        run,
        split,
        shown,
        classifier.predict_probabilities(shown.pixels),
        project_embeddings(vectors, method, seed),
        known,
        find_neighbors(others, vectors, neighbours),
    )


def known_pictures(
    run: Run, *, seed: int = 0, progress: Progress = NO_PROGRESS
) -> tuple[LabeledImages, NDArray[np.float32]]:
    """Returns (at most KNOWN of) the images that a run learned from, and their embeddings.

    Raises:
        DataError: they are gone, or were handed over in Python.
    """
    known = _decoded(
        run,
        load_splits(own_set(run, progress=progress), run.get_verified_file("split.csv")).train,
        KNOWN,
        seed,
        progress,
    )
    return known, compute_embeddings(run.classifier.model, known.pixels, progress=progress)


def _decoded(run: Run, images: ImageSet, most: int, seed: int, progress: Progress) -> LabeledImages:
    decoded = some_decoded(images, run.classifier.preprocessing, most, seed=seed, progress=progress)
    if not len(decoded.images):
        raise DataError("None of these images can be read any more", received=images.name)
    return LabeledImages(decoded.images.keys.tolist(), decoded.images.labels, np.asarray(decoded.pixels))
