"""The server as an ASGI application: its routes, one line each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from striate.config import plain
from striate.inference.output_files import serialize_prediction
from striate.prediction import Prediction
from striate.serving import open_inference
from striate.serving.explain_endpoint import heat
from striate.serving.http_errors import Fault
from striate.serving.metrics import Metrics
from striate.serving.model_registry import House, Served
from striate.serving.openapi import document
from striate.serving.request_images import pictures_in
from striate.serving.security import LOOPBACK, Guard
from striate.serving.web_page import APART, page

LOG = logging.getLogger("striate.serving")
Handler = Callable[[Request], Awaitable[Response]]
PAGES = {"inside": "inside.html", "report": "report.html"}
"""Address → the file in a run's folder."""

BODY_SECONDS = 30.0  # that a body may take to arrive


def application(house: House, *, hosts: Sequence[str] = LOOPBACK, token: str | None = None) -> ASGIApp:
    """Returns the application.

    Args:
        house: what is served.
        hosts: names that requests may be addressed to.
        token: that requests must bear; None for none.
    """
    routes = _Routes(house, Metrics(house), has_token=token is not None)

    @contextlib.asynccontextmanager
    async def lifespan(app: Router) -> AsyncIterator[None]:
        await house.open()
        try:
            yield
        finally:
            await house.close()

    return Guard(
        Router(routes.all(), redirect_slashes=False, default=_absent, lifespan=lifespan),
        hosts=hosts,
        token=token,
        most=house.limits.body,
        seconds=BODY_SECONDS,
        is_last=lambda: house.is_leaving,
    )


class _Routes:
    """What is answered under which address."""

    def __init__(self, house: House, metrics: Metrics, *, has_token: bool) -> None:
        self.house, self.metrics, self.has_token = house, metrics, has_token

    def all(self) -> list[Route]:
        """Returns the routes."""
        model = "/v2/models/{name}"
        versioned = model + "/versions/{version}"
        return [
            self._route("/", self.page),
            self._route("/predict", self.predict, "POST"),
            self._route("/explain", self.explain, "POST"),
            *(self._route(f"/{name}", self.own_page) for name in PAGES),
            self._route("/classifier", self.classifier),
            self._route("/metrics", self.told),
            self._route("/openapi.json", self.described),
            self._route("/v2", self.server),
            self._route("/v2/health/live", self.live),
            self._route("/v2/health/ready", self.ready),
            *(self._route(path, self.model) for path in (model, versioned)),
            *(self._route(path + "/ready", self.model_ready) for path in (model, versioned)),
            *(self._route(path + "/infer", self.infer, "POST") for path in (model, versioned)),
            self._route("/v2/repository/index", self.index, "POST"),
            self._route("/v2/repository/models/{name}/load", self.load, "POST"),
        ]

    def _route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """Returns a route whose faults are replies, and whose requests are counted."""
        methods = ("GET", "HEAD") if method == "GET" else (method,)
        return Route(path, _Counted(path, methods, handler, self.metrics))

    async def page(self, request: Request) -> Response:
        """Shows the page."""
        shown = await asyncio.to_thread(page)
        return HTMLResponse(shown.text, headers=shown.headers)

    async def own_page(self, request: Request) -> Response:
        """Shows one of the run's own pages."""
        path = self._asked(request).pages.get(request.url.path.removeprefix("/"))
        if path is None or not path.is_file():
            raise Fault("absent", "there is no such page of this classifier")
        return FileResponse(path, media_type="text/html", headers=APART)

    async def explain(self, request: Request) -> Response:
        """Tells where it looked in the one picture in the request."""
        served = self._asked(request)
        pictures, _ = await pictures_in(request, self.house.limits)
        if len(pictures) > 1:
            raise Fault("large", "one picture at a time")
        return JSONResponse(await heat(self.house, served, pictures[0]))

    async def predict(self, request: Request) -> Response:
        """Answers the pictures in the request."""
        served = self._asked(request)
        top = _whole_number(_given(request, "top"))
        pictures, several = await pictures_in(request, self.house.limits)
        with self.house.room_for(len(pictures)):
            answers = await self.house.answers(served, pictures)
        self._count(served, answers)
        if all(answer.error is not None for answer in answers):
            raise Fault("undecodable", answers[0].error or "")
        told = [
            {name: value for name, value in serialize_prediction(one, top).items() if name != "source"}
            for one in answers
        ]
        head = {"classifier": served.name, "version": served.version}
        return JSONResponse({**head, "answers": told} if several else {**head, **told[0]})

    def _count(self, served: Served, answers: list[Prediction]) -> None:
        for one in answers:
            outcome = "undecodable" if one.error is not None else "unsure" if one.unsure else "answered"
            self.metrics.answered(served.name, outcome)

    async def classifier(self, request: Request) -> Response:
        """Tells what is served: class names, preprocessing, how good it is."""
        served = self._asked(request)
        own = served.classifier
        return JSONResponse(
            {
                "classifier": served.name,
                "version": served.version,
                "architecture": own.architecture,
                "classes": list(own.classes),
                "preprocessing": plain(own.preprocessing),
                "reject_below": own.reject_below,
                "test": served.about,
                "pages": [name for name, path in served.pages.items() if path.is_file()],
                "classifiers": list(self.house.served),
            }
        )

    async def told(self, request: Request) -> Response:
        """Tells the counts."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def described(self, request: Request) -> Response:
        """Tells how to ask."""
        return JSONResponse(document(has_token=self.has_token))

    async def server(self, request: Request) -> Response:
        """Tells what server this is."""
        return JSONResponse(open_inference.server())

    async def live(self, request: Request) -> Response:
        """Tells that it is alive."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Tells whether it answers."""
        return JSONResponse({"ready": self.house.is_ready}, 200 if self.house.is_ready else 503)

    async def model(self, request: Request) -> Response:
        """Tells a classifier's inputs and outputs."""
        return JSONResponse(open_inference.metadata(self._model(request)))

    async def model_ready(self, request: Request) -> Response:
        """Tells whether a classifier answers."""
        return JSONResponse({"name": self._model(request).name, "ready": self.house.is_ready})

    async def infer(self, request: Request) -> Response:
        """Answers tensors."""
        return await open_inference.infer(request, self.house, self._model(request))

    async def index(self, request: Request) -> Response:
        """Tells which classifiers there are, in the words of Triton's extension for repositories."""
        state = "READY" if self.house.is_ready else "UNAVAILABLE"
        found = self.house.served.values()
        return JSONResponse([{"name": one.name, "version": one.version, "state": state} for one in found])

    async def load(self, request: Request) -> Response:
        """Takes the version that lies on the disk now."""
        name = request.path_params["name"]
        return JSONResponse({"name": name, "version": await self.house.load(name)})

    def _asked(self, request: Request) -> Served:
        return self.house.named(_given(request, "classifier"))

    def _model(self, request: Request) -> Served:
        served = self.house.named(request.path_params["name"])
        if request.path_params.get("version", served.version) != served.version:
            raise Fault("absent", "no such version")
        return served


async def _absent(scope: Scope, receive: Receive, send: Send) -> None:
    await Fault("absent").response(scope, receive, send)


class _Counted:
    """A handler as an ASGI application of its own, which spares each request Starlette's layers around functions."""

    def __init__(self, path: str, methods: Sequence[str], handler: Handler, metrics: Metrics) -> None:
        self.path, self.methods, self.handler, self.metrics = path, methods, handler, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            if scope["method"] not in self.methods:
                raise Fault("method", allow=self.methods)
            reply = await self.handler(Request(scope, receive))
        except Fault as fault:
            reply = fault.response
        except ClientDisconnect:
            reply = Response(status_code=499)  # nobody reads it
        except Exception:
            LOG.exception("a request to %s failed", self.path)
            reply = Fault("failed").response
        self.metrics.replied(self.path, reply.status_code, time.perf_counter() - began)
        await reply(scope, receive, send)


def _given(request: Request, name: str) -> str | None:
    return request.query_params.get(name) if request.scope["query_string"] else None


def _whole_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not int(text[:9]) > 0 or len(text) > 9:
        raise Fault("malformed", "top is a whole number above 0")
    return int(text)
