"""The ways in which a request is refused: a closed list."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import JSONResponse

ERROR_CODES: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "host": (400, "This server does not answer for that host"),
    "token": (401, "A token is needed"),
    "origin": (403, "Pages of another origin may not ask"),
    "absent": (404, "There is nothing here"),
    "method": (405, "This address does not take that method"),
    "unloadable": (409, "What lies there now cannot be taken; the version before answers on"),
    "slow": (408, "The request took too long to arrive"),
    "large": (413, "The request is larger than this server takes"),
    "type": (415, "This type of content is not taken"),
    "undecodable": (422, "The image cannot be decoded"),
    "unfit": (422, "The request does not fit the classifier"),
    "failed": (500, "The classifier failed"),
    "busy": (503, "There is more to do than this server takes on"),
}
"""Code → HTTP status and what it means."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        code: a key of CODES.
        detail: what exactly, without anything of the request's content.
        allowed_methods: for `method`, those that are taken.
    """

    def __init__(self, code: str, detail: str = "", *, allowed_methods: Sequence[str] = ()) -> None:
        super().__init__(code)
        self.code, self.detail, self.allowed_methods = code, detail, allowed_methods

    @property
    def message(self) -> str:
        """What it means, in words."""
        return ERROR_CODES[self.code][1] + (f": {self.detail}" if self.detail else "")

    @property
    def response(self) -> JSONResponse:
        """What the client is told."""
        headers = {
            "busy": {"Retry-After": "1"},
            "token": {"WWW-Authenticate": "Bearer"},
            "method": {"Allow": ", ".join(self.allowed_methods)},
        }.get(self.code)
        return JSONResponse({"error": self.message, "code": self.code}, ERROR_CODES[self.code][0], headers)
