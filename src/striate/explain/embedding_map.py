"""The map of the data: one page, on which every image is a point, with what it is similar to in the training set."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import to_printable
from striate.explain.embeddings import Neighbors
from striate.explain.projection import Projection
from striate.reporting import html

MAX_THUMBNAIL_SIDE = 40  # pixels of a thumbnail, at most
THUMBNAILS_PER_ROW = 48  # thumbnails in a row of a sheet


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """Images with what is known of them.

    Attributes:
        keys: (n,) names.
        labels: (n,) their classes.
        pixels: (n, h, w, c) uint8.
    """

    keys: Sequence[str]
    labels: NDArray[np.integer]
    pixels: NDArray[np.uint8]


def save_embedding_map(
    path: Path,
    run_name: str,
    split: str,
    classes: Sequence[str],
    images: LabeledImages,
    probabilities: NDArray[np.float64],
    projection: Projection,
    training_images: LabeledImages,
    neighbors: Neighbors,
    accuracies: tuple[float, float],
) -> None:
    """Writes the page, whole or not at all.

    Args:
        path: of the page.
        run_name: the run's.
        split: what the images shown are: test, validation.
        classes: names, in the order of the labels.
        images: the images on the map.
        probabilities: (n, classes) of these.
        projection: where they lie.
        training_images: training images.
        neighbors: of the images shown to the known ones.
        accuracies: fractions of the images for which the classifier is right, and the known ones nearest to it are.
    """
    predicted = probabilities.argmax(axis=1)
    used, places = np.unique(neighbors.indices, return_inverse=True)
    content = {
        "classes": [to_printable(one) for one in classes],
        "points": [
            [round(float(x), 4), round(float(y), 4), int(label), int(said), round(float(row[said]), 4)]
            for (x, y), label, said, row in zip(
                _normalize_points(projection.points), images.labels, predicted, probabilities, strict=True
            )
        ],
        "keys": [to_printable(Path(key).name or key) for key in images.keys],
        "near": places.reshape(neighbors.indices.shape).tolist(),
        "alike": np.round(neighbors.similarities, 3).tolist(),
        "known": [
            [to_printable(Path(training_images.keys[at]).name), int(training_images.labels[at])] for at in used.tolist()
        ],
        "sheet": _build_sprite_sheet(images.pixels),
        "knownSheet": _build_sprite_sheet(training_images.pixels[used]),
    }
    right, voted = accuracies
    html.save_page(
        path,
        "striate.explain",
        "map.html.j2",
        name=to_printable(run_name),
        lead=f"{len(images.keys):,} {split} images as the model sees them before its last layer: like is near like.",
        caveat=projection.caveat,
        figures=(
            f"Of these images the classifier answers {html.format_percent_nbsp(right)} rightly; the class of most "
            "of the "
            f"{neighbors.indices.shape[1]} training images that be similar to an image most is right for "
            f"{html.format_percent_nbsp(voted)}, of {len(training_images.keys):,} that were looked through."
        ),
        data=html.to_inline_json(content),
        script=html.load_script("striate.explain", "el.js", "classes.js", "map.js"),
    )


def _normalize_points(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the points within −1..1, proportions kept."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    half = float(np.ptp(points, axis=0).max()) / 2 or 1.0
    scaled: NDArray[np.float32] = (points - middle) / half
    return scaled


def _build_sprite_sheet(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Returns all thumbnails as one image, row by row, and how large each is."""
    height, width = pixels.shape[1:3]
    factor = min(1.0, MAX_THUMBNAIL_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    sheet = Image.new(
        "RGB", (THUMBNAILS_PER_ROW * size[0], max(1, math.ceil(len(pixels) / THUMBNAILS_PER_ROW)) * size[1])
    )
    for at, one in enumerate(pixels):
        thumb = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).convert("RGB").resize(size)
        sheet.paste(thumb, (at % THUMBNAILS_PER_ROW * size[0], at // THUMBNAILS_PER_ROW * size[1]))
    buffer = io.BytesIO()
    form = "WEBP" if max(sheet.size) < 16_000 else "JPEG"
    sheet.save(buffer, form, quality=80)
    source = f"data:image/{form.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"src": source, "width": size[0], "height": size[1], "columns": THUMBNAILS_PER_ROW}
