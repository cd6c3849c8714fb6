"""Sets in shards in an object store: each shard is copied once into the user's cache folder, checked there, and mapped.

A model looks at every image many times, so that the copy pays from the second epoch on. Images to be answered
once are read from the store as they are needed instead (answering/pieces.py).
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from striate.data.shards import MANIFEST_NAME, ShardManifest, parse_shard_manifest
from striate.errors import DataError
from striate.progress import NO_PROGRESS, Progress
from striate.system.atomic_files import compute_sha256, write_atomically
from striate.system.object_store import list_objects, open_file_system, translate_store_errors

SHARD_SUFFIXES = (".parquet", ".tar")
BLOCK_BYTES = 8 << 20
MAX_PARALLEL_DOWNLOADS = 4  # shards on their way


def download_shards(address: str, *, progress: Progress = NO_PROGRESS) -> Path:
    """Returns the folder that holds copies of all shards at an address (a prefix, a glob or one shard).

    A copy is known by address, size and the store's own mark of the object's content (ETag), and by its checksum where
    a manifest lists it: one that has changed in the store is fetched anew, one that was cut off is never taken.

    Raises:
        DataError: no shards there, the store cannot be used, or a shard is not the one that the manifest lists.
    """
    names = list_objects(address)
    shards = [name for name in names if PurePosixPath(name).suffix.lower() in SHARD_SUFFIXES]
    if not shards:
        raise DataError(
            "No shards there",
            received=f"{address}: {len(names):,} objects, such as {PurePosixPath(names[0]).name}",
            expected="Parquet tables or WebDataset shards",
            hint="striate data FOLDER --shard OUT writes them from a folder of images",
        )
    store, _ = open_file_system(shards[0])
    base = _find_common_prefix(shards)
    manifest = _fetch_manifest(store, f"{base}/{MANIFEST_NAME}")
    folder = platformdirs.user_cache_path("striate") / "shards" / hashlib.sha256(address.encode()).hexdigest()[:16]
    with translate_store_errors(address):
        about = {name: store.info(name.partition("://")[2]) for name in shards}
    sums = {} if manifest is None else {shard.file: shard.sha256 for shard in manifest.shards}
    expected = {name: sums.get(PurePosixPath(name).name, "") for name in shards}
    places = {name: folder / resolve_shard_path(name, base) for name in shards}
    wanted = [name for name in shards if not _is_cached(places[name], about[name], expected[name])]
    total = sum(int(about[name]["size"]) for name in wanted)
    with (
        progress.track(f"fetching {len(wanted)} shards", total, "bytes") as task,
        ThreadPoolExecutor(MAX_PARALLEL_DOWNLOADS) as pool,
    ):
        try:
            for _ in pool.map(
                lambda name: _download_shard(store, name, places[name], about[name], expected[name], task), wanted
            ):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for stale in set(_list_shard_files(folder)) - set(places.values()):  # shards that are no longer in the store
        stale.unlink()
    if manifest is not None and not {shard.file for shard in manifest.shards} - {path.name for path in places.values()}:
        with write_atomically(folder / MANIFEST_NAME) as temporary:
            temporary.write_bytes(store.cat_file(f"{base}/{MANIFEST_NAME}".partition("://")[2]))
    else:
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
    return folder


def resolve_shard_path(address: str, base: str) -> PurePosixPath:
    """Returns where a shard lies below the prefix of all.

    Raises:
        DataError: its name would lead out of any folder that it is copied into; a store takes any name.
    """
    parts = address.removeprefix(f"{base}/").split("/")
    if not all(parts) or set(parts) & {".", ".."} or any("\\" in part or "\0" in part for part in parts):
        raise DataError("A shard has a name that no file can have", received=address)
    return PurePosixPath(*parts)


def _find_common_prefix(shards: list[str]) -> str:
    """Returns the prefix that all lie below, without its slash."""
    folders = [name.rpartition("/")[0] for name in shards]
    return folders[0] if len(set(folders)) == 1 else os.path.commonpath(folders).replace(":/", "://", 1)


def _fetch_manifest(store: Any, address: str) -> ShardManifest | None:
    try:
        text: bytes = store.cat_file(address.partition("://")[2])
    except FileNotFoundError:
        return None
    except Exception:
        with translate_store_errors(address):
            raise
    return parse_shard_manifest(text, address)


def _get_etag_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.etag")


def _is_cached(path: Path, info: dict[str, Any], checksum: str) -> bool:
    mark = _get_etag_path(path)
    return (
        path.is_file()
        and path.stat().st_size == int(info["size"])
        and mark.is_file()
        and mark.read_text(encoding="utf-8") == _build_version_tag(info, checksum)
    )


def _build_version_tag(info: dict[str, Any], checksum: str) -> str:
    """Returns what a copy is known by: the store's mark of its content, and the manifest's checksum if there is one."""
    return f"{info.get('ETag') or info.get('etag') or info.get('mtime') or ''} {checksum}"


def _download_shard(store: Any, address: str, path: Path, info: dict[str, Any], checksum: str, task: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _get_etag_path(path).unlink(missing_ok=True)
    with translate_store_errors(address), write_atomically(path) as temporary:
        with (
            store.open(address.partition("://")[2], "rb", block_size=BLOCK_BYTES) as source,
            temporary.open("wb") as out,
        ):
            while block := source.read(BLOCK_BYTES):
                out.write(block)
                task.advance(len(block))
        if temporary.stat().st_size != int(info["size"]):
            raise DataError("A shard arrived in part", received=address)
        if checksum and compute_sha256(temporary) != checksum:
            raise DataError(
                "A shard is not the one that its manifest lists: its checksum is another",
                received=address,
                hint="write the shards again, or copy them again",
            )
    _get_etag_path(path).write_text(_build_version_tag(info, checksum), encoding="utf-8")


def _list_shard_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.suffix.lower() in SHARD_SUFFIXES and not path.name.startswith(".")
    ]
