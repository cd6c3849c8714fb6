"""Where a classifier looked in many images, one after the other, broken ones among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.prefetch import iter_decoded
from striate.explain.attribution import Attributor
from striate.progress import NO_PROGRESS, Progress

DECODE_BATCH_SIZE = 256  # images in memory


@dataclass(frozen=True, eq=False)
class Explanation:
    """One image, and where the evidence for a class lies in it.

    Attributes:
        source: where it came from.
        error: why nothing is known of it; None for an image that could be read, and only then the rest is there.
        pixels: (h, w, c) uint8, preprocessed.
        heatmap: (h, w) float32 ≥ 0.
        label: the class that the classifier answers.
        target_class: the class that the heat speaks for.
        probability: of that class, 0..1.
        central_fraction: of the heat, what lies in the half of the image around its centre, 0..1; None without heat.
    """

    source: str
    error: str | None = None
    pixels: NDArray[np.uint8] | None = None
    heatmap: NDArray[np.float32] | None = None
    label: str = ""
    target_class: str = ""
    probability: float = 0.0
    central_fraction: float | None = None

    def to_dict(self, attributor: Attributor) -> dict[str, Any]:
        """Returns what is told of the image, for JSON."""
        if self.error is not None:
            return {"source": self.source, "label": None, "error": self.error}
        return {
            "source": self.source,
            "label": self.label,
            "class": self.target_class,
            "probability": self.probability,
            "method": attributor.method,
            "layer": attributor.layer,
            "central_share": self.central_fraction,
            "error": None,
        }

    def format_line(self) -> str:
        """Returns the same for people."""
        if self.error is not None:
            return f"{self.source}: {self.error}"
        fraction = self.central_fraction
        heat = "nothing speaks for it" if fraction is None else f"{fraction:.1%} of the heat in the central half"
        return f"{self.source}: {self.target_class} {self.probability:.1%}, {heat}"


def iter_explanations(
    classifier: Classifier,
    paths: Sequence[Path],
    attributor: Attributor,
    target_class: str | None = None,
    progress: Progress = NO_PROGRESS,
) -> Iterator[Explanation]:
    """Yields what is known of every image, in order.

    Args:
        classifier: asked.
        paths: of the images.
        attributor: how.
        target_class: the class asked about; by default the one that is answered for each image.
        progress: told the images done.
    """
    left = iter(paths)
    with progress.track("explaining", len(paths), "images") as task:
        for batch in iter_decoded(classifier.preprocessing, paths, DECODE_BATCH_SIZE):
            whole = [pixels for pixels in batch if not isinstance(pixels, str)]
            found = iter(_explain_batch(classifier, np.stack(whole), attributor, target_class) if whole else ())
            for pixels, path in zip(batch, left, strict=False):
                source = str(path)
                yield (
                    Explanation(source, pixels)
                    if isinstance(pixels, str)
                    else Explanation(source, None, pixels, *next(found))
                )
            task.advance(len(batch))


def _explain_batch(
    classifier: Classifier, pixels: NDArray[np.uint8], attributor: Attributor, target_class: str | None
) -> Iterator[tuple[Any, ...]]:
    """Yields what Looked says of each readable image, from its heat on."""
    predictions = classifier.predict_probabilities(pixels)
    labels = predictions.argmax(axis=1)
    asked = labels if target_class is None else np.full(len(pixels), classifier.classes.index(target_class))
    attribution = attributor(pixels, asked)
    rows = zip(attribution.heatmaps, labels, asked, predictions, attribution.compute_central_fractions(), strict=True)
    for heat, label, one, fractions, central in rows:
        names = classifier.classes[int(label)], classifier.classes[int(one)]
        yield heat, *names, float(fractions[one]), None if np.isnan(central) else float(central)
