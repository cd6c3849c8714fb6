"""What a frozen network sees of every picture: computed once, kept on disk, found again by what it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.backend import CHOICE, keras
from striate.files import writing
from striate.inference import forward
from striate.progress import Progress

BATCH = 128  # pictures per forward pass
LIMIT = 2 << 30  # bytes of features kept on disk; the longest unused leave first


def embeddings(
    model: Any, pixels: NDArray[np.uint8], *, progress: Progress, policy: str = "float32"
) -> NDArray[np.float32]:
    """Returns (n, d) float32: the layer `embedding` for every picture (n, h, w, c), the network at rest (dropout off,
    batch-norm with its stored statistics), in the arithmetic of a dtype policy (float32 or bfloat16).

    They are looked up first in the user's cache folder, by the pictures, the layers, the weights and the arithmetic:
    whatever changes an embedding changes its name.
    """
    extractor = keras.Model(model.input, model.get_layer("embedding").output)
    path = cache_folder() / f"{_name(extractor, pixels, policy)}.npy"
    shape = (len(pixels), extractor.output_shape[1])
    kept = _load(path, shape)
    if kept is not None:
        progress.say(f"What the network sees of {len(pixels):,} pictures is known from an earlier training.")
        return kept
    found = np.empty(shape, np.float32)
    see = forward(extractor, policy)
    with progress.task("looking at pictures", len(pixels), "pictures") as task:
        for start in range(0, len(pixels), BATCH):
            part = pixels[start : start + BATCH]
            filled = part if len(part) == BATCH else np.resize(part, (BATCH, *part.shape[1:]))
            found[start : start + BATCH] = see(filled)[: len(part)]
            task.advance(len(part))
    _store(found, path)
    return found


def cache_folder() -> Path:
    """Returns where features are kept between trainings."""
    return platformdirs.user_cache_path("striate") / "features"


def _name(extractor: Any, pixels: NDArray[np.uint8], policy: str) -> str:
    """Returns 64 hexadecimal digits made of everything that the embeddings depend on."""
    layers = [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in extractor.layers]
    described = json.dumps(layers, default=str, sort_keys=True)
    digest = hashlib.sha256(f"{keras.__version__} {CHOICE.name} {policy} {pixels.shape} {described}".encode())
    for variable in extractor.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value)).data)
    for start in range(0, len(pixels), 1024):
        digest.update(np.ascontiguousarray(pixels[start : start + 1024]).data)
    return digest.hexdigest()


def _load(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    try:
        with path.open("rb") as file:
            kept: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        os.utime(path)  # used now
    except Exception:  # not there, or damaged: then NumPy raises whatever its parsers do
        return None
    return kept if kept.shape == shape and kept.dtype == np.float32 else None


def _store(found: NDArray[np.float32], path: Path) -> None:
    """Keeps features, and drops those unused for longest; a folder that cannot be written to costs nothing but time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as temporary, temporary.open("wb") as out:
            np.save(out, found)
        files = sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > LIMIT:
                file.unlink(missing_ok=True)
