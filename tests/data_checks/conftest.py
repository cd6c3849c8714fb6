"""Small sets with known faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder


@pytest.fixture(scope="session")
def images_of() -> Callable[..., ImageSet]:
    """Makes a set of blank pixels with classes of given sizes."""

    def make(**sizes: int) -> ImageSet:
        labels = np.repeat(np.arange(len(sizes)), list(sizes.values()))
        return from_arrays(np.zeros((len(labels), 2, 2), np.uint8), labels, classes=list(sizes))

    return make


@pytest.fixture(scope="session")
def scene() -> Callable[..., Image.Image]:
    """Makes an image of colored blobs, unlike that of any other seed."""

    def make(seed: int, side: int = 96) -> Image.Image:
        small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(small).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)

    return make


@pytest.fixture
def scenes(tmp_path: Path) -> Callable[[dict[str, Image.Image]], ImageSet]:
    """Writes images under their names as PNG (or as JPEG where the name says so) and loads the folder."""

    def make(pictures: dict[str, Image.Image]) -> ImageSet:
        root = tmp_path / "scenes"
        for name, image in pictures.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, quality=85)
        return load_folder(root)

    return make
