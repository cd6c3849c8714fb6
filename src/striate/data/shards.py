"""The manifest of a set in shards, `manifest.json`: what they are, how many images and bytes, and their checksums.

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

from striate.config import from_json, frozen_config, read_former_keys, to_json
from striate.data.decoding import open_image_bytes as header_of
from striate.data.decoding import read_image_file
from striate.data.image_set import SPLIT_NAMES, ImageKind, ImageSet
from striate.data.loaders.folder import HIDDEN_FOLDER_PREFIXES, SPLIT_ALIASES
from striate.errors import DataError, ImageDecodeError
from striate.progress import NO_PROGRESS, Progress
from striate.system.atomic_files import compute_sha256
from striate.system.checksums import write_checksums
from striate.system.object_store import is_object_store_url, open_file_system, translate_store_errors

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = 2
SplitName = Literal["train", "validation", "test", ""]


@read_former_keys(pictures="image_count")
@frozen_config
class Shard:
    """A file of images.

    Attributes:
        file: its name, beside the manifest.
        split: of all its images.
        image_count: how many.
        bytes: of the file.
        sha256: of the file, 64 hexadecimal digits.
    """

    file: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.(parquet|tar)\Z")]
    split: SplitName
    image_count: Annotated[int, Meta(ge=0)]
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@frozen_config
class ShardManifest:
    """What a folder or prefix of shards holds.

    Attributes:
        format: of this document.
        striate: always `shards`, by which this document is told from others of its name.
        name: the set's.
        kind: what the images show.
        classes: in label order.
        shards: in order.
    """

    format: int
    striate: Literal["shards"]
    name: str
    kind: ImageKind
    classes: list[str]
    shards: list[Shard]

    @property
    def image_count(self) -> int:
        """How many in all."""
        return sum(shard.image_count for shard in self.shards)


def parse_shard_manifest(text: bytes, origin: str) -> ShardManifest | None:
    """Returns the manifest in a document; None for a `manifest.json` of another program's.

    Raises:
        DataError: written by a newer Striate.
        ConfigError: damaged.
    """
    if b'"striate": "shards"' not in text:
        return None
    found = from_json(ShardManifest, text, origin)
    if found.format > MANIFEST_FORMAT:
        raise DataError(
            "These shards were written by a newer Striate",
            received=f"{origin}: format {found.format}",
            expected=f"format {MANIFEST_FORMAT} or older",
            hint="pip install --upgrade striate",
        )
    return found


def load_shard_manifest(folder: Path) -> ShardManifest | None:
    """Returns a folder's manifest, or None where there is none.

    Raises:
        DataError: see read_manifest; or it cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"The shards' manifest cannot be read: {error.strerror}", received=path) from None
    return parse_shard_manifest(text, str(path))


def require_listed_shards(manifest: ShardManifest, folder: Path) -> None:
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


def apply_manifest(images: ImageSet, manifest: ShardManifest) -> ImageSet:
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


ShardFormat = Literal["parquet", "webdataset"]
SUFFIX_BY_FORMAT: dict[ShardFormat, str] = {"parquet": "parquet", "webdataset": "tar"}
SHARD_BYTES = 256 << 20  # bytes of images in a shard
ROW_GROUP_SIZE = 256  # of a Parquet row group: what one worker reads at a time
MEMBER_SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}


class _ShardPlan(NamedTuple):
    """A shard to be written: of a split, these images."""

    file: str
    split: str
    indices: NDArray[np.intp]


def write_shards(
    images: ImageSet,
    out: str | Path,
    *,
    shard_format: ShardFormat = "parquet",
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = NO_PROGRESS,
) -> ShardManifest:
    """Returns the manifest of the shards that were written, split by split and in order. The images' bytes are those
    of their files; pixels become PNG. An image without any bytes stays, as a row without any.

    Args:
        images: what to write.
        out: a folder that does not exist or is empty, or a prefix in an object store; shards and manifest are there
            when all are written (in a store the manifest comes last).
        shard_format: the layout.
        shard_bytes: bytes of images in a shard.
        progress: told the number of images.

    Raises:
        DataError: PyArrow is missing; the folder is taken or cannot be written to; the store cannot be used.
    """
    if shard_format == "parquet":
        _require_pyarrow()
    planned = _plan_shards(images, shard_bytes, SUFFIX_BY_FORMAT[shard_format])
    if is_object_store_url(out):
        return _write_to_store(images, str(out), shard_format, planned, progress)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("The place for the shards is taken", received=folder, expected="a folder that is not there yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
            whole = Path(beside) / folder.name
            whole.mkdir()
            with progress.track("writing shards", len(images), "images") as task:
                shards = [_write_shard(images, shard, whole, shard_format, task) for shard in planned]
            manifest = _write_manifest(images, shards, whole)
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)
            return manifest
    except OSError as error:
        raise DataError(f"The shards cannot be written: {error.strerror or error}", received=folder) from None


def _write_to_store(
    images: ImageSet, address: str, shard_format: ShardFormat, plans: list[_ShardPlan], progress: Progress
) -> ShardManifest:
    """Writes shard after shard into a store; one at a time lies on this computer's disk."""
    store, prefix = open_file_system(address)
    with translate_store_errors(address):
        there = store.find(prefix)
    if there:
        raise DataError("The place for the shards is taken", received=address, expected="a prefix without objects")
    shards = []
    with tempfile.TemporaryDirectory(prefix="striate-shards-") as folder, translate_store_errors(address):
        place = Path(folder)
        with progress.track("writing shards", len(images), "images") as task:
            for shard in plans:
                shards.append(_write_shard(images, shard, place, shard_format, task))
                store.put_file(str(place / shard.file), f"{prefix}/{shard.file}")
                (place / shard.file).unlink()
        manifest = ShardManifest(MANIFEST_FORMAT, "shards", images.name, images.kind, list(images.classes), shards)
        store.pipe_file(f"{prefix}/{MANIFEST_NAME}", to_json(manifest).encode())
    return manifest


def _write_manifest(images: ImageSet, shards: list[Shard], folder: Path) -> ShardManifest:
    manifest = ShardManifest(MANIFEST_FORMAT, "shards", images.name, images.kind, list(images.classes), shards)
    (folder / MANIFEST_NAME).write_text(to_json(manifest), encoding="utf-8")
    write_checksums(folder)
    return manifest


def _plan_shards(images: ImageSet, shard_bytes: int, suffix: str) -> list[_ShardPlan]:
    """Returns which images go into which shard; the names say how many there are of the split."""
    sizes, found = _measure_source_bytes(images), []
    for split in (*SPLIT_NAMES, ""):
        chosen = np.flatnonzero(images.splits == split)
        if not len(chosen):
            continue
        number = np.cumsum(sizes[chosen]) // max(1, shard_bytes)
        parts = [chosen[number == one] for one in np.unique(number)]
        found += [
            _ShardPlan(f"{split or 'all'}-{at:05}-of-{len(parts):05}.{suffix}", split, part)
            for at, part in enumerate(parts)
        ]
    return found


def _measure_source_bytes(images: ImageSet) -> NDArray[np.int64]:
    """Returns (n,) bytes of each image; of pixels, those before they are compressed."""
    from striate.data.image_set import EncodedImages

    sources = images.sources
    if isinstance(sources, np.ndarray):
        return np.full(len(images), int(np.prod(sources.shape[1:])), np.int64)
    if isinstance(sources, EncodedImages):
        return np.maximum(sources.spans[:, 2], 0)
    return np.array([path.stat().st_size if path.is_file() else 0 for path in sources], np.int64)


def _write_shard(images: ImageSet, plan: _ShardPlan, folder: Path, shard_format: ShardFormat, task: Progress) -> Shard:
    path = folder / plan.file
    (_write_parquet if shard_format == "parquet" else _write_tar)(images, plan.indices, path, task)
    split: Any = plan.split
    return Shard(plan.file, split, len(plan.indices), path.stat().st_size, compute_sha256(path))


def _read_or_encode(images: ImageSet, index: int) -> bytes | None:
    """Returns an image's file; None where there is none, or none that may be read."""
    try:
        source = images.get_source(index)
        if isinstance(source, bytes):
            return source
        if isinstance(source, Path):
            return read_image_file(source)
    except ImageDecodeError:
        return None
    held = io.BytesIO()
    Image.fromarray(source[:, :, 0] if source.ndim == 3 and source.shape[2] == 1 else source).save(held, "PNG")
    return held.getvalue()


def _write_parquet(images: ImageSet, indices: NDArray[np.intp], path: Path, task: Progress) -> None:
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
    with pq.ParquetWriter(path, schema, compression="none") as writer:  # images are compressed already
        for start in range(0, len(indices), ROW_GROUP_SIZE):
            rows = indices[start : start + ROW_GROUP_SIZE]
            encoded = [{"bytes": _read_or_encode(images, int(row)), "path": str(images.keys[row])} for row in rows]
            labels = images.labels[rows].astype(np.int64)
            writer.write_table(
                pa.table([pa.array(encoded, kind), pa.array(labels)], schema=schema), row_group_size=ROW_GROUP_SIZE
            )
            task.advance(len(rows))


def _write_tar(images: ImageSet, indices: NDArray[np.intp], path: Path, task: Progress) -> None:
    """Writes each image beside its class, under a number; a member that JSON holds has its key."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
        for row, index in enumerate(indices.tolist()):
            data = _read_or_encode(images, index) or b""
            label = json.dumps({"label": images.classes[images.labels[index]], "key": str(images.keys[index])})
            for ending, content in ((_detect_suffix(data), data), ("json", label.encode())):
                member = tarfile.TarInfo(f"{row:07}.{ending}")
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
            task.advance(1)


def _detect_suffix(data: bytes) -> str:
    try:
        with header_of(data) as image:
            return MEMBER_SUFFIXES.get(image.format or "", "img")
    except Exception:  # foreign bytes; who reads the shard is told
        return "img"


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            "Parquet tables are written with PyArrow, which is not installed", hint="pip install 'striate[parquet]'"
        ) from None


def find_shards(folder: Path, suffix: str) -> list[Path]:
    """Returns the files with that ending that a folder consists of, sorted; none where it is a folder of classes.

    They lie in the folder itself, in `data/` or its only folder, or in folders named after splits. Loose ones
    beside other folders count only if a name says the split: an index may lie beside class folders.
    """
    inner = sorted(
        child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(HIDDEN_FOLDER_PREFIXES)
    )
    loose = _list_folder_shards(folder, suffix)
    others = [child for child in inner if child.name.lower() != "data"]
    if loose and (not others or any(infer_split(shard, folder) for shard in loose)):
        return loose
    below = [child for child in inner if child.name.lower() in {"data", *SPLIT_ALIASES}] or inner[: len(inner) == 1]
    return [shard for child in below for shard in _list_folder_shards(child, suffix)]


def _list_folder_shards(folder: Path, suffix: str) -> list[Path]:
    return sorted(
        child
        for child in folder.iterdir()
        if child.suffix.lower() == suffix and not child.name.startswith(HIDDEN_FOLDER_PREFIXES) and child.is_file()
    )


def infer_split(shard: Path, root: Path) -> str:
    """Returns the split that a shard's name says, or the name of its folder below `root`; "" if neither does."""
    words = [re.split(r"[-_.]", shard.stem)[0]] + ([shard.parent.name] if shard.parent != root else [])
    return next((SPLIT_ALIASES[word.lower()] for word in words if word.lower() in SPLIT_ALIASES), "")


def get_set_name(root: Path) -> str:
    """Returns how a set is called: after its folder, or its only file without the ending."""
    return root.resolve().stem if root.is_file() else root.resolve().name


def build_shard_key(shard: Path, root: Path) -> str:
    """Returns how a shard is called in keys: its name without the ending, below `root` but for `data/`."""
    if shard == root:
        return shard.stem
    return shard.relative_to(root).with_suffix("").as_posix().removeprefix("data/")


def require_numbered_shards(shards: list[Path]) -> None:
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
