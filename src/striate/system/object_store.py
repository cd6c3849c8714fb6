"""Bucket: files that lie in an object store, through fsspec: `s3://BUCKET/PREFIX`, `gs://…`, `az://…`.

Credentials are whatever the store's own tools find: environment variables, configuration files, the machine's role.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from striate.errors import DataError

INSTALL_HINTS = {
    "s3": "pip install 'striate[s3]'",
    "gs": "pip install 'striate[parquet]' gcsfs",
    "az": "pip install 'striate[parquet]' adlfs",
}
"""The stores there are, and what each needs. fsspec knows more, some of which start programs or unpack archives."""

URL_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
GLOB_PATTERN = re.compile(r"[*?\[]")


def is_object_store_url(source: object) -> bool:
    """Returns whether that is the address of something in a store."""
    found = URL_PATTERN.fullmatch(str(source)) if isinstance(source, str) else None
    return found is not None and found[1].lower() in INSTALL_HINTS


def open_file_system(url: str) -> tuple[Any, str]:
    """Returns the store, as fsspec's file system, and the path in it.

    Raises:
        DataError: what speaks to that store is not installed, or the address names no bucket.
    """
    found = URL_PATTERN.fullmatch(url)
    kind, path = (found[1].lower(), found[2]) if found else ("", "")
    if kind not in INSTALL_HINTS or not path.strip("/"):
        raise DataError(
            "Not an address in an object store",
            received=url,
            expected="s3://BUCKET/PREFIX (or gs://, az://)",
        )
    try:
        import fsspec

        return fsspec.filesystem(kind, use_listings_cache=False), path.rstrip("/") if not GLOB_PATTERN.search(
            path
        ) else path
    except ImportError:
        raise DataError(f"Nothing here can read {kind}://", received=url, hint=INSTALL_HINTS[kind]) from None


@contextlib.contextmanager
def translate_store_errors(url: str) -> Iterator[None]:
    """Turns what a store, its library or the network says into one clear error.

    Raises:
        DataError: whatever went wrong within the block.
    """
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("There is nothing of that name in the store", received=url) from None
    except PermissionError as error:
        raise DataError(
            f"The store refuses: {_get_first_line(error)}",
            received=url,
            expected="credentials that may read and list it, as the store's own tools find them",
        ) from None
    except Exception as error:  # botocore, aiohttp, gcsfs …: without a common base
        raise build_store_error(url, error) from None


def build_store_error(url: str, error: BaseException) -> DataError:
    """Returns the error for a store that cannot be used."""
    return DataError(f"The store cannot be used: {_get_first_line(error)}", received=url)


def _get_first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__


def list_objects(url: str) -> tuple[str, ...]:
    """Returns the addresses of all objects below a prefix, or that match a glob (`**` goes down), sorted.

    Raises:
        DataError: there is none, or the store cannot be used.
    """
    store, path = open_file_system(url)
    kind = url.partition("://")[0].lower()
    with translate_store_errors(url):
        if GLOB_PATTERN.search(path):
            found = store.glob(path, detail=True)
            names = [name for name, about in found.items() if about["type"] == "file"]
        else:
            names = store.find(path)
    if not names:
        raise DataError("Nothing in the store is meant by that", received=url, hint="**, which goes down")
    return tuple(f"{kind}://{name}" for name in sorted(names))
