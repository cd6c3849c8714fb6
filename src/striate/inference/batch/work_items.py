"""From what a user points at to pieces of work: some hundred images each, listed and not read yet.

A piece is what is answered, lost, and answered again as a whole. Files and objects are put together in the order given;
of a Parquet table each row group is a piece, of a tar file the whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from striate.data.inputs import expand_paths
from striate.data.loaders.archive import is_archive
from striate.data.loaders.folder import is_non_image_name, is_video_name
from striate.data.loaders.webdataset import is_webdataset_shard, iter_shard_images
from striate.data.shards import find_shards
from striate.errors import DataError
from striate.system.object_store import is_object_store_url, list_objects, open_file_system, translate_store_errors

IMAGES_PER_ITEM = 256  # images of a piece of files
MEAN_IMAGE_BYTES = 8 << 10  # bytes of an image in a tar file, where nobody has counted them

WorkItemKind = Literal["files", "table", "tar", "broken"]


@dataclass(frozen=True)
class WorkItem:
    """Some images.

    Attributes:
        number: of the piece, from 0; answers stand in the order of these numbers.
        kind: `files`; `table`, a row group; `tar`; or `broken`, a shard that cannot be read at all.
        locations: the images' addresses and paths; or the shard's one, and why it cannot be read.
        row_group: number of the row group.
        first_row: the group's first row, counted in the table.
        start: the first of the piece's images that is meant, which is not 0 in a part of a piece.
        stop: the one after the last; None for all there are.
        size_estimate: about how many images.
    """

    number: int
    kind: WorkItemKind
    locations: tuple[str, ...]
    row_group: int = 0
    first_row: int = 0
    start: int = 0
    stop: int | None = None
    size_estimate: int = 1

    @property
    def image_count(self) -> int | None:
        """How many images; None where that is not known before they are read."""
        if self.kind == "broken":
            return 1
        return None if self.stop is None else self.stop - self.start

    def split(self, max_parts: int) -> list[WorkItem]:
        """Returns at most so many parts of a piece whose number of images is known."""
        assert self.stop is not None  # noqa: S101
        size = -(-(self.stop - self.start) // max_parts)
        starts = range(self.start, self.stop, size)
        return [replace(self, start=start, stop=min(start + size, self.stop)) for start in starts]


def list_work_items(sources: Iterable[str | Path]) -> list[WorkItem]:
    """Returns the pieces that `sources` make up, in the order given.

    Args:
        sources: files, folders and globs; Parquet tables and tar shards, or folders of them; addresses in an object
            store (`s3://BUCKET/PREFIX`, and globs there); `-` for a list of these on standard input.

    Raises:
        DataError: nothing is there, or something that holds no images of this kind (a video, an archive).
    """
    found: list[WorkItem] = []
    loose: list[str] = []

    def add_item(item: WorkItem) -> None:
        found.append(replace(item, number=len(found)))

    def add_file_items(*, include_rest: bool) -> None:
        while len(loose) >= (1 if include_rest else IMAGES_PER_ITEM):
            places = tuple(loose[:IMAGES_PER_ITEM])
            del loose[:IMAGES_PER_ITEM]
            add_item(WorkItem(0, "files", places, stop=len(places), size_estimate=len(places)))

    for place in _iter_locations(sources):
        shards = _split_shard(place)
        if shards is None:
            loose.append(place)
            add_file_items(include_rest=False)
            continue
        add_file_items(include_rest=True)
        for piece in shards:
            add_item(piece)
    add_file_items(include_rest=True)
    if not found:
        raise DataError("No image there", received=", ".join(map(str, sources))[:200])
    return found


def _iter_locations(sources: Iterable[str | Path]) -> Iterator[str]:
    """Yields addresses and paths of images and shards."""
    for source in sources:
        if is_object_store_url(source):
            names = list_objects(str(source))
            alone = len(names) == 1
            yield from (name for name in names if alone or _is_supported(name))
            continue
        if str(source) == "-":
            lines = [line.rstrip("\n") for line in sys.stdin if line.strip()]
            yield from lines
            continue
        path = Path(source)
        shards = (
            [shard for ending in (".parquet", ".tar") for shard in find_shards(path, ending)] if path.is_dir() else []
        )
        yield from map(str, shards or expand_paths([source]))


def _is_supported(name: str) -> bool:
    path = Path(PurePosixPath(name).name)
    return path.suffix.lower() in (".parquet", ".tar") or not is_non_image_name(path)


def _split_shard(location: str) -> list[WorkItem] | None:
    """Returns the pieces of a shard; None of what is an image, or may be one."""
    path = Path(PurePosixPath(location).name)
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _list_row_groups(location)
    if ending == ".tar" and (
        is_object_store_url(location) or is_webdataset_shard(Path(location)) or _has_images(Path(location))
    ):
        return [_build_tar_item(location)]
    if is_archive(path) or is_video_name(path) or ending in (".npy", ".npz"):
        raise DataError(
            "Only images and shards of them are answered in bulk",
            received=location,
            expected="files, Parquet tables, WebDataset's tar files",
            hint="striate predict without --out",
        )
    return None


def _has_images(path: Path) -> bool:
    """Returns whether a tar file's first members are images, if without labels."""
    try:
        with path.open("rb") as file:
            return next(iter_shard_images(file, str(path)), None) is not None
    except (OSError, DataError):
        return False


def _list_row_groups(location: str) -> list[WorkItem]:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(
            "Parquet is read and written with PyArrow, which is not installed", hint="pip install 'striate[parquet]'"
        ) from None
    try:
        with open_shard(location) as file:
            about = pq.ParquetFile(file).metadata
            rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    except DataError:
        raise
    except Exception as error:  # foreign bytes: Arrow's, Python's and the store's whole range
        return [WorkItem(0, "broken", (location, f"the table cannot be read: {(str(error).splitlines() or [''])[0]}"))]
    firsts = list(accumulate(rows, initial=0))
    return [
        WorkItem(0, "table", (location,), row_group=group, first_row=firsts[group], stop=count, size_estimate=count)
        for group, count in enumerate(rows)
        if count
    ]


def _build_tar_item(location: str) -> WorkItem:
    if is_object_store_url(location):
        store, path = open_file_system(location)
        with translate_store_errors(location):
            return WorkItem(0, "tar", (location,), size_estimate=max(1, store.size(path) // MEAN_IMAGE_BYTES))
    return WorkItem(0, "tar", (location,), size_estimate=max(1, Path(location).stat().st_size // MEAN_IMAGE_BYTES))


def open_shard(location: str) -> Any:
    """Returns the shard as an open binary file, wherever it lies; only what is read of it is fetched."""
    if not is_object_store_url(location):
        return Path(location).open("rb")
    store, path = open_file_system(location)
    return store.open(path, "rb", block_size=4 << 20, cache_type="readahead")
