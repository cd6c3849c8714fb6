"""From a piece to its images' bytes, some at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from striate.data.decoding import ImageSource
from striate.data.loaders.webdataset import iter_shard_images
from striate.errors import DataError, ImageDecodeError
from striate.inference.batch.work_items import WorkItem, open_shard
from striate.system.object_store import build_store_error, is_object_store_url, open_file_system, translate_store_errors

IMAGES_PER_CHUNK = 64  # images read together


class ImageRecord(NamedTuple):
    """One image, read and not decoded.

    Attributes:
        source: its path or address; in a shard, with the row or the sample behind `#`.
        key: what the shard itself calls it, if it does.
        image: what to decode, or why there is nothing.
    """

    source: str
    key: str | None
    image: ImageSource | ImageDecodeError


def read_images(item: WorkItem) -> Iterator[list[ImageRecord]]:
    """Yields a piece's images in order, a few at a time. What cannot be read is told in its place.

    Raises:
        DataError: the store cannot be used at all, so that another attempt may succeed.
    """
    if item.kind == "broken":
        yield [ImageRecord(item.locations[0], None, ImageDecodeError(item.locations[1]))]
        return
    kinds = {"files": _read_files, "table": _read_rows, "tar": _read_samples}
    found = kinds[item.kind](item)
    while chunk := list(islice(found, IMAGES_PER_CHUNK)):
        yield chunk


def _read_files(item: WorkItem) -> Iterator[ImageRecord]:
    places = item.locations[item.start : item.stop]
    for start in range(0, len(places), IMAGES_PER_CHUNK):
        some = places[start : start + IMAGES_PER_CHUNK]
        far = _fetch_objects([place for place in some if is_object_store_url(place)])
        for place in some:
            yield ImageRecord(place, None, far[place] if place in far else Path(place))


def _fetch_objects(addresses: list[str]) -> dict[str, bytes | ImageDecodeError]:
    """Returns address → the object's bytes, all of them fetched at once; or why it has none."""
    if not addresses:
        return {}
    store, _ = open_file_system(addresses[0])
    paths = {address: address.partition("://")[2] for address in addresses}
    with translate_store_errors(addresses[0]):
        found: Any = store.cat(list(paths.values()), on_error="return")
        if len(paths) == 1 and not isinstance(found, dict):
            found = dict.fromkeys(paths.values(), found)
        return {address: _resolve_object(address, found[path]) for address, path in paths.items()}


def _resolve_object(address: str, result: Any) -> bytes | ImageDecodeError:
    if isinstance(result, bytes):
        return result
    if isinstance(result, FileNotFoundError):
        return ImageDecodeError(os.strerror(2).lower())
    if isinstance(result, PermissionError):
        return ImageDecodeError(os.strerror(13).lower())
    raise build_store_error(address, result)  # the network, or the store itself: not the image's fault


def _read_rows(item: WorkItem) -> Iterator[ImageRecord]:
    import pyarrow.parquet as pq

    from striate.data.loaders.parquet import IMAGE_COLUMNS

    place = item.locations[0]
    try:
        with open_shard(place) as file:
            table = pq.ParquetFile(file)
            name = next((name for name in IMAGE_COLUMNS if name in table.schema_arrow.names), None)
            if name is None:
                raise DataError("the table has no column image")
            rows = table.read_row_group(item.row_group, columns=[name]).column(0).to_pylist()[item.start : item.stop]
    except Exception as error:  # foreign bytes: Arrow's whole range; the rows are there, the images are not
        reason = f"the table cannot be read: {(str(error).splitlines() or [''])[0]}"
        rows = [ImageDecodeError(reason)] * (item.image_count or 0)
    for at, row in enumerate(rows, item.first_row + item.start):
        yield _build_record(place, at, row)


def _build_record(location: str, index: int, row: Any) -> ImageRecord:
    source, key = f"{location}#{index}", None
    if isinstance(row, dict):
        key, row = row.get("path"), row.get("bytes") or row.get("path")
    if isinstance(row, str):
        near = Path(location).parent / row
        return ImageRecord(
            source,
            row,
            near if not is_object_store_url(location) else ImageDecodeError("a path, beside no table on a disk"),
        )
    if row is None:
        row = ImageDecodeError("no image in this row (null)")
    return ImageRecord(
        source, key, row if isinstance(row, bytes | ImageDecodeError) else ImageDecodeError("no image's bytes")
    )


def _read_samples(item: WorkItem) -> Iterator[ImageRecord]:
    place = item.locations[0]
    at = 0
    try:
        with open_shard(place) as file:
            for at, (key, data) in enumerate(islice(iter_shard_images(file, place), item.stop)):
                if at >= item.start:
                    yield ImageRecord(f"{place}#{key}", key, data)
    except DataError as error:  # what came before is whole; what would come is not known
        yield ImageRecord(place, None, ImageDecodeError(f"{error.problem}, after {at + 1:,} images"))
