"""Images unlike the rest: of one color, blurred, dark, glaring, tiny, or of an extreme shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.data_checks.finding import MAX_FILES_NAMED, Finding
from striate.data_checks.image_stats import ImageStats

OUTLIER_Z_SCORE = 3.5  # modified z-score (Iglewicz and Hoaglin 1993, section 3.3) beyond which a value is an outlier
MIN_DEVIATION = 2.0  # grayscale levels of deviation, below which an image shows nothing
MAX_DARK_LEVEL, MIN_BRIGHT_LEVEL = 25.0, 235.0  # mean grayscale levels beyond which an outlier is worth a word
SMALL_IMAGE_RATIO = 4  # times smaller than the median, by its shorter side
MAX_ASPECT_RATIO = 4.0  # longer side to shorter
MIN_MEDIAN_SIDE = (
    48  # pixels of the median shorter side, below which all images are tiny and only flat ones are looked for
)

OUTLIER_FIXES = {
    "of one color": "look at them; they teach nothing",
    "much blurrier than the rest": "look at them; leave out what you could not tell yourself",
    "nearly black": "look at them; brighten them or leave them out",
    "nearly white": "look at them; darken them or leave them out",
    "much smaller than the rest": "replace thumbnails by their originals, or leave them out",
    "of an extreme shape": "crop them: brought to the model's shape they are squeezed (or --fit pad)",
}


def detect_outliers(stats: ImageStats) -> list[Finding]:
    """Returns one finding for each way in which some images stand out, with the most extreme first."""
    rows = np.flatnonzero(stats.is_readable)
    facts = stats.records[rows]
    if not len(rows):
        return []
    deviation = facts["spread"].mean(axis=1)
    shorter = np.minimum(facts["width"], facts["height"]).astype(np.float64)
    ranks: dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]] = {
        "of one color": (deviation < MIN_DEVIATION, deviation),
    }
    if np.median(shorter) >= MIN_MEDIAN_SIDE:
        gray = facts["colour"] @ np.array([0.299, 0.587, 0.114])
        shape = np.maximum(facts["width"], facts["height"]) / np.maximum(1, shorter)
        sharp = np.log1p(facts["sharpness"].astype(np.float64))
        flat = deviation < MIN_DEVIATION
        ranks |= {
            "much blurrier than the rest": (~flat & (_compute_z_scores(sharp) < -OUTLIER_Z_SCORE), sharp),
            "nearly black": (~flat & (gray < MAX_DARK_LEVEL) & (_compute_z_scores(gray) < -OUTLIER_Z_SCORE / 2), gray),
            "nearly white": (
                ~flat & (gray > MIN_BRIGHT_LEVEL) & (_compute_z_scores(gray) > OUTLIER_Z_SCORE / 2),
                -gray,
            ),
            "much smaller than the rest": (SMALL_IMAGE_RATIO * shorter < np.median(shorter), shorter),
            "of an extreme shape": ((shape > MAX_ASPECT_RATIO) & (shape > 2 * np.median(shape)), -shape),
        }
    found = []
    for what, (stands_out, order) in ranks.items():
        chosen = np.flatnonzero(stands_out)
        if len(chosen):
            chosen = chosen[np.argsort(order[chosen], kind="stable")]
            keys = stats.images.keys[rows[chosen[:MAX_FILES_NAMED]]].tolist()
            message = f"{len(chosen):,} images are {what}" if len(chosen) > 1 else f"One image is {what}"
            found.append(Finding("outlier", "note", message, OUTLIER_FIXES[what], tuple(keys), len(chosen)))
    return found


def _compute_z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the modified z-scores 0.6745 (x − median) / MAD; 0 where more than half are equal."""
    away = values - np.median(values)
    middle = np.median(np.abs(away))
    result: NDArray[np.float64] = 0.6745 * away / middle if middle else np.zeros_like(values)
    return result
