"""A contact sheet: a few images of every class on one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.data.image_set import ImageSet
from striate.data.preprocessing import FitMode, Preprocessing
from striate.errors import ImageDecodeError, to_printable
from striate.reporting.fonts import find_bundled_font, load_font
from striate.system.atomic_files import write_atomically

TILE_PIXELS, GAP_PIXELS, MARGIN_PIXELS, LABEL_PIXELS, IMAGES_PER_ROW = 72, 4, 20, 190, 12  # pixels; images a row
MAX_CLASSES = 100


def save_contact_sheet(images: ImageSet, path: Path, *, columns: int = IMAGES_PER_ROW, seed: int = 0) -> None:
    """Writes a PNG with one row per class (the first 100): its name, its number, and `columns` images drawn at
    random; unreadable ones are left out.
    """
    counts = images.count_by_class()
    names = images.classes[:MAX_CLASSES]
    width = 2 * MARGIN_PIXELS + LABEL_PIXELS + columns * (TILE_PIXELS + GAP_PIXELS)
    sheet = Image.new("RGB", (width, 2 * MARGIN_PIXELS + 44 + len(names) * (TILE_PIXELS + GAP_PIXELS)), "white")
    draw = ImageDraw.Draw(sheet)
    bold, plain = (
        load_font(find_bundled_font(name), size) for name, size in (("DejaVuSans-Bold.ttf", 17), ("DejaVuSans.ttf", 13))
    )
    draw.text(
        (MARGIN_PIXELS, MARGIN_PIXELS),
        f"{to_printable(images.name)}: {len(images):,} images, {len(images.classes)} classes",
        "#22262B",
        bold,
    )
    largest = max(counts.values())
    for row, name in enumerate(names):
        top = MARGIN_PIXELS + 44 + row * (TILE_PIXELS + GAP_PIXELS)
        draw.text((MARGIN_PIXELS, top + 16), _shorten_name(name), "#22262B", plain)
        draw.rectangle(
            (MARGIN_PIXELS, top + 40, MARGIN_PIXELS + 2 + (LABEL_PIXELS - 80) * counts[name] / largest, top + 48),
            "#0072B2",
        )
        draw.text(
            (MARGIN_PIXELS + 8 + (LABEL_PIXELS - 80) * counts[name] / largest, top + 36),
            f"{counts[name]:,}",
            "#6A727C",
            plain,
        )
        for column, pixels in enumerate(sample_class_images(images, row, columns, seed)):
            sheet.paste(
                Image.fromarray(pixels), (MARGIN_PIXELS + LABEL_PIXELS + column * (TILE_PIXELS + GAP_PIXELS), top)
            )
    with write_atomically(path) as temporary:
        sheet.save(temporary, "PNG")


def sample_class_images(
    images: ImageSet, label: int, count: int, seed: int = 0, side: int = TILE_PIXELS, fit: FitMode = "pad"
) -> list[NDArray[np.uint8]]:
    """Returns up to `count` readable images of a class, drawn at random, as (side, side, 3) uint8."""
    form = build_tile_preprocessing(images, side, fit)
    own = np.random.default_rng((seed, label)).permutation(np.flatnonzero(images.labels == label))
    found: list[NDArray[np.uint8]] = []
    for index in own:
        if len(found) == count:
            break
        try:
            found.append(form(images.get_source(int(index))))
        except ImageDecodeError:
            continue
    return found


def build_tile_preprocessing(images: ImageSet, side: int, fit: FitMode = "pad") -> Preprocessing:
    """Returns how images are brought to a square to be looked at: pixels that are enlarged stay square."""
    is_tiny = isinstance(images.sources, np.ndarray) and max(images.sources.shape[1:3]) <= side // 2
    return Preprocessing(side, side, 3, fit=fit, interpolation="nearest" if is_tiny else "bilinear")


def _shorten_name(name: str) -> str:
    name = to_printable(name)
    return name if len(name) <= 24 else name[:23] + "…"
