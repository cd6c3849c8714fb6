"""The embedding projector's files: vectors, what is known of each, and one sheet of thumbnails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import printable
from striate.files import write_text, writing

SIDE = 48  # pixels of a thumbnail
COLUMNS = ("class", "predicted", "right", "picture")


def save_projector(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: Sequence[tuple[str, str, str]],
    pixels: NDArray[np.uint8],
    name: str,
) -> None:
    """Writes what TensorBoard's projector shows of one set of pictures.

    Args:
        folder: which TensorBoard takes for a run.
        vectors: (n, d).
        rows: class, predicted class and key of each.
        pixels: (n, h, w, 1 or 3) uint8.
        name: of the set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(f"{value:.6g}" for value in vector) for vector in vectors.tolist()]
    write_text(folder / "vectors.tsv", "\n".join(lines) + "\n")
    known = [(label, said, "yes" if label == said else "no", key) for label, said, key in rows]
    table = ["\t".join(map(_cell, row)) for row in (COLUMNS, *known)]
    write_text(folder / "metadata.tsv", "\n".join(table) + "\n")
    with writing(folder / "sprite.png") as temporary:
        _sheet(pixels).save(temporary, "PNG")
    write_text(folder / "projector_config.pbtxt", _settings(name))


def _settings(name: str) -> str:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig, SpriteMetadata

    sprite = SpriteMetadata(image_path="sprite.png", single_image_dim=[SIDE, SIDE])
    info = EmbeddingInfo(tensor_name=name, tensor_path="vectors.tsv", metadata_path="metadata.tsv", sprite=sprite)
    return str(text_format.MessageToString(ProjectorConfig(embeddings=[info])))


def _cell(text: str) -> str:
    return printable(text.replace("\t", " ").replace("\n", " "))


def _sheet(pixels: NDArray[np.uint8]) -> Image.Image:
    """Returns all pictures on a square grid, row by row, as the projector expects them."""
    columns = math.ceil(math.sqrt(len(pixels)))
    sheet = Image.new("RGB", (columns * SIDE, columns * SIDE), "white")
    for at, one in enumerate(pixels):
        picture = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).convert("RGB").resize((SIDE, SIDE))
        sheet.paste(picture, (at % columns * SIDE, at // columns * SIDE))
    return sheet
