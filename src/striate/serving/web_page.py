"""The page, and the policy it runs under."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

PAGE_SCRIPTS = ("el.js", "api.js", "answer.js", "draw.js", "camera.js", "main.js")
"""In the order in which they need each other."""

CSP_SOURCES = "default-src 'none'; img-src data: blob:; connect-src 'self'"
"""What the page may load: nothing but images that it holds already, and answers from where it came from."""


class WebPage(NamedTuple):
    """A page, and the headers it is sent with."""

    html: str
    headers: dict[str, str]


@cache
def render_web_page() -> WebPage:
    """Returns the page. It holds nothing of a classifier, and asks for all of it, so that it can be seen without a
    token.
    """
    from striate.reporting import html

    script = html.load_script("striate.serving", *PAGE_SCRIPTS)
    text = html.render_page("striate.serving", "serve.html.j2", script=script, sources=CSP_SOURCES)
    policy = (
        f"{CSP_SOURCES}; style-src 'unsafe-inline'; script-src '{script.digest}'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return WebPage(text, {"Content-Security-Policy": policy, "Permissions-Policy": "camera=(self), microphone=()"})


SANDBOX_HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}
"""The headers of a run's own page: its scripts run as no one's, and can ask for nothing."""
