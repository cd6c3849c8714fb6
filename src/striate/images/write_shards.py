"""From labelled pictures to shards: Parquet tables in the layout of the Hugging Face hub, or WebDataset's tar files."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.bucket import explained, is_bucket, opened
from striate.config import to_json
from striate.errors import DataError, PictureError
from striate.files import sha256
from striate.images.imageset import SPLITS, ImageSet
from striate.images.limits import contents
from striate.images.opening import opened as header_of
from striate.images.sharded import FORMAT, NAME, Shard, ShardManifest
from striate.progress import SILENT, Progress
from striate.seal import seal

Form = Literal["parquet", "webdataset"]
ENDINGS: dict[Form, str] = {"parquet": "parquet", "webdataset": "tar"}
SIZE = 256 << 20  # bytes of pictures in a shard
ROWS = 256  # of a Parquet row group: what one worker reads at a time
MEMBERS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}


class _Planned(NamedTuple):
    """A shard to be written: of a split, these pictures."""

    file: str
    split: str
    pictures: NDArray[np.intp]


def write_shards(
    images: ImageSet, out: str | Path, *, form: Form = "parquet", size: int = SIZE, progress: Progress = SILENT
) -> ShardManifest:
    """Returns the manifest of the shards that were written, split by split and in order. The pictures' bytes are those
    of their files; pixels become PNG. A picture without any bytes stays, as a row without any.

    Args:
        images: what to write.
        out: a folder that does not exist or is empty, or a prefix in an object store; shards and manifest are there
            when all are written (in a store the manifest comes last).
        form: the layout.
        size: bytes of pictures in a shard.
        progress: told the number of pictures.

    Raises:
        DataError: PyArrow is missing; the folder is taken or cannot be written to; the store cannot be used.
    """
    if form == "parquet":
        _require_pyarrow()
    planned = _planned(images, size, ENDINGS[form])
    if is_bucket(out):
        return _into_store(images, str(out), form, planned, progress)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("The place for the shards is taken", received=folder, expected="a folder that is not there yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
            whole = Path(beside) / folder.name
            whole.mkdir()
            with progress.task("writing shards", len(images), "pictures") as task:
                shards = [_written(images, shard, whole, form, task) for shard in planned]
            manifest = _closed(images, shards, whole)
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)
            return manifest
    except OSError as error:
        raise DataError(f"The shards cannot be written: {error.strerror or error}", received=folder) from None


def _into_store(
    images: ImageSet, address: str, form: Form, planned: list[_Planned], progress: Progress
) -> ShardManifest:
    """Writes shard after shard into a store; one at a time lies on this computer's disk."""
    store, prefix = opened(address)
    with explained(address):
        there = store.find(prefix)
    if there:
        raise DataError("The place for the shards is taken", received=address, expected="a prefix without objects")
    shards = []
    with tempfile.TemporaryDirectory(prefix="striate-shards-") as folder, explained(address):
        place = Path(folder)
        with progress.task("writing shards", len(images), "pictures") as task:
            for shard in planned:
                shards.append(_written(images, shard, place, form, task))
                store.put_file(str(place / shard.file), f"{prefix}/{shard.file}")
                (place / shard.file).unlink()
        manifest = ShardManifest(FORMAT, "shards", images.name, images.kind, list(images.classes), shards)
        store.pipe_file(f"{prefix}/{NAME}", to_json(manifest).encode())
    return manifest


def _closed(images: ImageSet, shards: list[Shard], folder: Path) -> ShardManifest:
    manifest = ShardManifest(FORMAT, "shards", images.name, images.kind, list(images.classes), shards)
    (folder / NAME).write_text(to_json(manifest), encoding="utf-8")
    seal(folder)
    return manifest


def _planned(images: ImageSet, size: int, ending: str) -> list[_Planned]:
    """Returns which pictures go into which shard; the names say how many there are of the split."""
    sizes, found = _sizes(images), []
    for split in (*SPLITS, ""):
        chosen = np.flatnonzero(images.given == split)
        if not len(chosen):
            continue
        number = np.cumsum(sizes[chosen]) // max(1, size)
        parts = [chosen[number == one] for one in np.unique(number)]
        found += [
            _Planned(f"{split or 'all'}-{at:05}-of-{len(parts):05}.{ending}", split, part)
            for at, part in enumerate(parts)
        ]
    return found


def _sizes(images: ImageSet) -> NDArray[np.int64]:
    """Returns (n,) bytes of each picture; of pixels, those before they are compressed."""
    from striate.images.encoded import Encoded

    sources = images.sources
    if isinstance(sources, np.ndarray):
        return np.full(len(images), int(np.prod(sources.shape[1:])), np.int64)
    if isinstance(sources, Encoded):
        return np.maximum(sources.places[:, 2], 0)
    return np.array([path.stat().st_size if path.is_file() else 0 for path in sources], np.int64)


def _written(images: ImageSet, shard: _Planned, folder: Path, form: Form, task: Progress) -> Shard:
    path = folder / shard.file
    (_write_table if form == "parquet" else _write_tar)(images, shard.pictures, path, task)
    split: Any = shard.split
    return Shard(shard.file, split, len(shard.pictures), path.stat().st_size, sha256(path))


def _bytes(images: ImageSet, index: int) -> bytes | None:
    """Returns a picture's file; None where there is none, or none that may be read."""
    try:
        source = images.source(index)
        if isinstance(source, bytes):
            return source
        if isinstance(source, Path):
            return contents(source)
    except PictureError:
        return None
    held = io.BytesIO()
    Image.fromarray(source[:, :, 0] if source.ndim == 3 and source.shape[2] == 1 else source).save(held, "PNG")
    return held.getvalue()


def _write_table(images: ImageSet, chosen: NDArray[np.intp], path: Path, task: Progress) -> None:
    """Writes a table with the columns `image` (its bytes and its key) and `label`, whose names the schema holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(images.classes)},
    }
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    schema = pa.schema([("image", kind), ("label", pa.int64())], metadata=about)
    with pq.ParquetWriter(path, schema, compression="none") as writer:  # pictures are compressed already
        for start in range(0, len(chosen), ROWS):
            rows = chosen[start : start + ROWS]
            pictures = [{"bytes": _bytes(images, int(row)), "path": str(images.keys[row])} for row in rows]
            labels = images.labels[rows].astype(np.int64)
            writer.write_table(
                pa.table([pa.array(pictures, kind), pa.array(labels)], schema=schema), row_group_size=ROWS
            )
            task.advance(len(rows))


def _write_tar(images: ImageSet, chosen: NDArray[np.intp], path: Path, task: Progress) -> None:
    """Writes each picture beside its class, under a number; a member that JSON holds has its key."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
        for row, index in enumerate(chosen.tolist()):
            data = _bytes(images, index) or b""
            label = json.dumps({"label": images.classes[images.labels[index]], "key": str(images.keys[index])})
            for ending, content in ((_ending(data), data), ("json", label.encode())):
                member = tarfile.TarInfo(f"{row:07}.{ending}")
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
            task.advance(1)


def _ending(data: bytes) -> str:
    try:
        with header_of(data) as image:
            return MEMBERS.get(image.format or "", "img")
    except Exception:  # foreign bytes; who reads the shard is told
        return "img"


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            "Parquet tables are written with PyArrow, which is not installed", hint="pip install 'striate[parquet]'"
        ) from None
