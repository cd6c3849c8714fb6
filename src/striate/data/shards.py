"""The manifest of a set in shards, `manifest.json`: what they are, how many pictures and bytes, and their checksums.

It stands beside the shards that `striate data DATA --shard OUT` writes, with a SHA256SUMS that `striate verify OUT` and
`sha256sum --check` read. Other sets in shards have none.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image

from striate.config import config, from_json, to_json
from striate.data.decoding import contents
from striate.data.decoding import opened as header_of
from striate.data.image_set import SPLITS, ImageSet, Kind
from striate.data.loaders.folder import HIDDEN, SPLIT_FOLDERS
from striate.errors import DataError, PictureError
from striate.progress import SILENT, Progress
from striate.system.atomic_files import sha256
from striate.system.checksums import seal
from striate.system.object_store import explained, is_bucket, opened

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
    from striate.data.image_set import Encoded

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


def shards_in(folder: Path, ending: str) -> list[Path]:
    """Returns the files with that ending that a folder consists of, sorted; none where it is a folder of classes.

    They lie in the folder itself, in `data/` or its only folder, or in folders named after splits. Loose ones
    beside other folders count only if a name says the split: an index may lie beside class folders.
    """
    inner = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(HIDDEN))
    loose = _within(folder, ending)
    others = [child for child in inner if child.name.lower() != "data"]
    if loose and (not others or any(split_of(shard, folder) for shard in loose)):
        return loose
    below = [child for child in inner if child.name.lower() in {"data", *SPLIT_FOLDERS}] or inner[: len(inner) == 1]
    return [shard for child in below for shard in _within(child, ending)]


def _within(folder: Path, ending: str) -> list[Path]:
    return sorted(
        child
        for child in folder.iterdir()
        if child.suffix.lower() == ending and not child.name.startswith(HIDDEN) and child.is_file()
    )


def split_of(shard: Path, root: Path) -> str:
    """Returns the split that a shard's name says, or the name of its folder below `root`; "" if neither does."""
    words = [re.split(r"[-_.]", shard.stem)[0]] + ([shard.parent.name] if shard.parent != root else [])
    return next((SPLIT_FOLDERS[word.lower()] for word in words if word.lower() in SPLIT_FOLDERS), "")


def name_of(root: Path) -> str:
    """Returns how a set is called: after its folder, or its only file without the ending."""
    return root.resolve().stem if root.is_file() else root.resolve().name


def key_of(shard: Path, root: Path) -> str:
    """Returns how a shard is called in keys: its name without the ending, below `root` but for `data/`."""
    if shard == root:
        return shard.stem
    return shard.relative_to(root).with_suffix("").as_posix().removeprefix("data/")


def require_all_shards(shards: list[Path]) -> None:
    """Refuses a set of which a part was not downloaded: shards say in their names how many there are.

    Raises:
        DataError: one is missing.
    """
    there = {shard.name for shard in shards}
    for shard in shards if len(shards) > 1 else []:
        found = re.fullmatch(r"(.*-)(\d+)(-of-(\d+).*)", shard.name)
        if not found:
            continue
        start, number, end, total = found.groups()
        missing = [name for i in range(int(total)) if (name := f"{start}{i:0{len(number)}}{end}") not in there]
        if missing:
            raise DataError(
                f"{len(missing):,} of the {int(total):,} parts that {shard.name} belongs to are missing",
                received=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""),
                hint="download them too",
            )
