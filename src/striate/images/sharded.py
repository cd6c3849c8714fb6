"""The manifest of a set in shards, `manifest.json`: what they are, how many pictures and bytes, and their checksums.

It stands beside the shards that `striate data DATA --shard OUT` writes, with a SHA256SUMS that `striate verify OUT` and
`sha256sum --check` read. Other sets in shards have none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from striate.config import config, from_json
from striate.errors import DataError
from striate.images.imageset import ImageSet, Kind

NAME = "manifest.json"
FORMAT = 1
Split = Literal["train", "validation", "test", ""]


@config
class Shard:
    """A file of pictures.

    Attributes:
        file: its name, beside the manifest.
        split: of all its pictures.
        pictures: how many.
        bytes: of the file.
        sha256: of the file, 64 hexadecimal digits.
    """

    file: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.(parquet|tar)\Z")]
    split: Split
    pictures: Annotated[int, Meta(ge=0)]
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@config
class ShardManifest:
    """What a folder or prefix of shards holds.

    Attributes:
        format: of this document.
        striate: always `shards`, by which this document is told from others of its name.
        name: the set's.
        kind: what the pictures show.
        classes: in label order.
        shards: in order.
    """

    format: int
    striate: Literal["shards"]
    name: str
    kind: Kind
    classes: list[str]
    shards: list[Shard]

    @property
    def pictures(self) -> int:
        """How many in all."""
        return sum(shard.pictures for shard in self.shards)


def read_manifest(text: bytes, origin: str) -> ShardManifest | None:
    """Returns the manifest in a document; None for a `manifest.json` of another program's.

    Raises:
        DataError: written by a newer Striate.
        ConfigError: damaged.
    """
    if b'"striate": "shards"' not in text:
        return None
    found = from_json(ShardManifest, text, origin)
    if found.format > FORMAT:
        raise DataError(
            "These shards were written by a newer Striate",
            received=f"{origin}: format {found.format}",
            expected=f"format {FORMAT} or older",
            hint="pip install --upgrade striate",
        )
    return found


def manifest_of(folder: Path) -> ShardManifest | None:
    """Returns a folder's manifest, or None where there is none.

    Raises:
        DataError: see read_manifest; or it cannot be read.
    """
    path = folder / NAME
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"The shards' manifest cannot be read: {error.strerror}", received=path) from None
    return read_manifest(text, str(path))


def require_manifest_shards(manifest: ShardManifest, folder: Path) -> None:
    """Raises DataError where a shard that the manifest lists is missing or has another size; checksums cost a reading
    of everything, and are left to `striate verify`.
    """
    for shard in manifest.shards:
        path = folder / shard.file
        size = path.stat().st_size if path.is_file() else None
        if size != shard.bytes:
            raise DataError(
                f"The shard {shard.file} is " + ("missing" if size is None else "not the one in the manifest"),
                received=folder if size is None else f"{size:,} bytes",
                expected=f"{shard.bytes:,} bytes",
                hint="copy it again",
            )


def as_written(images: ImageSet, manifest: ShardManifest) -> ImageSet:
    """Returns what was read from the shards with its classes in the order, and of the kind, that it was written with.

    Raises:
        DataError: a class that the manifest does not list.
    """
    unknown = sorted(set(images.classes) - set(manifest.classes))
    if unknown:
        raise DataError(
            "The shards hold a class that their manifest does not list",
            received=unknown[0],
            expected=", ".join(manifest.classes)[:300],
        )
    number = {name: at for at, name in enumerate(manifest.classes)}
    places = np.array([number[name] for name in images.classes], np.int32)
    return replace(
        images,
        name=manifest.name,
        classes=tuple(manifest.classes),
        labels=places[images.labels],
        kind=manifest.kind,
    )
