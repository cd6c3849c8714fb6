"""From a piece to its pictures' bytes, some at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from striate.data.decoding import Picture
from striate.data.loaders.webdataset import pictures_in
from striate.errors import DataError, PictureError
from striate.inference.batch.work_items import Piece, opened_shard
from striate.system.object_store import explained, is_bucket, opened, unusable

CHUNK = 64  # pictures read together


class Read(NamedTuple):
    """One picture, read and not decoded.

    Attributes:
        source: its path or address; in a shard, with the row or the sample behind `#`.
        key: what the shard itself calls it, if it does.
        picture: what to decode, or why there is nothing.
    """

    source: str
    key: str | None
    picture: Picture | PictureError


def read(piece: Piece) -> Iterator[list[Read]]:
    """Yields a piece's pictures in order, a few at a time. What cannot be read is told in its place.

    Raises:
        DataError: the store cannot be used at all, so that another attempt may succeed.
    """
    if piece.kind == "broken":
        yield [Read(piece.places[0], None, PictureError(piece.places[1]))]
        return
    kinds = {"files": _files, "table": _rows, "tar": _samples}
    found = kinds[piece.kind](piece)
    while chunk := list(islice(found, CHUNK)):
        yield chunk


def _files(piece: Piece) -> Iterator[Read]:
    places = piece.places[piece.start : piece.stop]
    for start in range(0, len(places), CHUNK):
        some = places[start : start + CHUNK]
        far = _objects([place for place in some if is_bucket(place)])
        for place in some:
            yield Read(place, None, far[place] if place in far else Path(place))


def _objects(addresses: list[str]) -> dict[str, bytes | PictureError]:
    """Returns address → the object's bytes, all of them fetched at once; or why it has none."""
    if not addresses:
        return {}
    store, _ = opened(addresses[0])
    paths = {address: address.partition("://")[2] for address in addresses}
    with explained(addresses[0]):
        found: Any = store.cat(list(paths.values()), on_error="return")
        if len(paths) == 1 and not isinstance(found, dict):
            found = dict.fromkeys(paths.values(), found)
        return {address: _object(address, found[path]) for address, path in paths.items()}


def _object(address: str, found: Any) -> bytes | PictureError:
    if isinstance(found, bytes):
        return found
    if isinstance(found, FileNotFoundError):
        return PictureError(os.strerror(2).lower())
    if isinstance(found, PermissionError):
        return PictureError(os.strerror(13).lower())
    raise unusable(address, found)  # the network, or the store itself: not the picture's fault


def _rows(piece: Piece) -> Iterator[Read]:
    import pyarrow.parquet as pq

    from striate.data.loaders.parquet import PICTURES

    place = piece.places[0]
    try:
        with opened_shard(place) as file:
            table = pq.ParquetFile(file)
            name = next((name for name in PICTURES if name in table.schema_arrow.names), None)
            if name is None:
                raise DataError("the table has no column image")
            rows = table.read_row_group(piece.group, columns=[name]).column(0).to_pylist()[piece.start : piece.stop]
    except Exception as error:  # foreign bytes: Arrow's whole range; the rows are there, the pictures are not
        reason = f"the table cannot be read: {(str(error).splitlines() or [''])[0]}"
        rows = [PictureError(reason)] * (piece.count or 0)
    for at, row in enumerate(rows, piece.row + piece.start):
        yield _row(place, at, row)


def _row(place: str, at: int, row: Any) -> Read:
    source, key = f"{place}#{at}", None
    if isinstance(row, dict):
        key, row = row.get("path"), row.get("bytes") or row.get("path")
    if isinstance(row, str):
        near = Path(place).parent / row
        return Read(source, row, near if not is_bucket(place) else PictureError("a path, beside no table on a disk"))
    if row is None:
        row = PictureError("no picture in this row (null)")
    return Read(source, key, row if isinstance(row, bytes | PictureError) else PictureError("no picture's bytes"))


def _samples(piece: Piece) -> Iterator[Read]:
    place = piece.places[0]
    at = 0
    try:
        with opened_shard(place) as file:
            for at, (key, data) in enumerate(islice(pictures_in(file, place), piece.stop)):
                if at >= piece.start:
                    yield Read(f"{place}#{key}", key, data)
    except DataError as error:  # what came before is whole; what would come is not known
        yield Read(place, None, PictureError(f"{error.problem}, after {at + 1:,} pictures"))
