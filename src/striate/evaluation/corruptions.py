"""What happens to images outside the laboratory, at five severities each (after Hendrycks and Dietterich 2019,
arXiv:1903.12261, section 3, with amounts measured by the image's side, so that they suit any size).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An image, (h, w, 1 or 3)."""

Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
"""From an image and a severity, 1..5, to what it becomes."""

MAX_SEVERITY = 5


def _add_noise(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Gaussian noise of 5 to 25 % of the range."""
    return _to_uint8(pixels + rng.normal(0, 255 * 0.05 * severity, pixels.shape))


def _blur_image(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Gaussian blur with a deviation of 1 to 5 % of the side."""
    import cv2

    return _restore_channel_axis(cv2.GaussianBlur(pixels, (0, 0), 0.01 * severity * min(pixels.shape[:2])), pixels)


def _compress_jpeg(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """JPEG compression at quality 40, 25, 15, 8 and 4."""
    import cv2

    quality = (40, 25, 15, 8, 4)[severity - 1]
    _, data = cv2.imencode(
        ".jpg", pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels, [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    flag = cv2.IMREAD_COLOR if pixels.shape[2] == 3 else cv2.IMREAD_GRAYSCALE
    decoded = np.asarray(cv2.imdecode(data, flag), np.uint8)
    return _restore_channel_axis(np.ascontiguousarray(decoded[:, :, ::-1]) if pixels.shape[2] == 3 else decoded, pixels)


def _darken_image(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Light taken away: 20 to 80 %, as a night or a shadow does."""
    return _to_uint8(pixels * (1 - (0.2, 0.4, 0.55, 0.7, 0.8)[severity - 1]))


def _brighten_image(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Light added: 10 to 50 % of the range."""
    return _to_uint8(pixels.astype(np.float32) + 255 * 0.1 * severity)


def _reduce_contrast(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Contrast taken away around the mean: 20 to 90 %, as fog does."""
    mean = pixels.mean()
    return _to_uint8(mean + (pixels - mean) * (1 - (0.2, 0.4, 0.6, 0.8, 0.9)[severity - 1]))


def _shift_colors(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """The hue turned by 12 to 60 degrees either way; of a grayscale image, its tones bent by a gamma of 1.4 to 3."""
    import cv2

    if pixels.shape[2] == 1:
        return _to_uint8(255 * (pixels / 255) ** (1 + 0.4 * severity))
    wheel = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)  # degrees by two
    wheel[:, :, 0] = (wheel[:, :, 0].astype(int) + 6 * severity * int(rng.choice([-1, 1]))) % 180
    return np.asarray(cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB), np.uint8)


def _rotate_image(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Rotated by 9 to 45 degrees either way."""
    return _apply_affine(pixels, angle=9 * severity * int(rng.choice([-1, 1])), scale=1)


def _shrink_image(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """The duplicate group reduced to 85 to 35 % of its size."""
    return _apply_affine(pixels, angle=0, scale=(0.85, 0.7, 0.55, 0.45, 0.35)[severity - 1])


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _add_noise,
    "blur": _blur_image,
    "JPEG": _compress_jpeg,
    "darkness": _darken_image,
    "brightness": _brighten_image,
    "low contrast": _reduce_contrast,
    "other colors": _shift_colors,
    "another angle": _rotate_image,
    "smaller": _shrink_image,
}
"""Name → what it does."""


def _apply_affine(pixels: Pixels, *, angle: float, scale: float) -> Pixels:
    import cv2

    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    edge = cv2.BORDER_REPLICATE
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return _restore_channel_axis(cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=edge), pixels)


def _restore_channel_axis(result: NDArray[np.integer], pixels: Pixels) -> Pixels:
    """Returns what OpenCV made with the axis for one channel that it takes away."""
    return np.asarray(result, np.uint8).reshape(pixels.shape)


def _to_uint8(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
