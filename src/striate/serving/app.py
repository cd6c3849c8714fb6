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

from striate.config import to_plain
from striate.inference.output_files import serialize_prediction
from striate.prediction import Prediction
from striate.serving import open_inference
from striate.serving.explain_endpoint import explain_image
from striate.serving.http_errors import RequestError
from striate.serving.metrics import Metrics
from striate.serving.model_registry import ModelRegistry, ServedModel
from striate.serving.openapi import build_openapi
from striate.serving.request_images import read_request_images
from striate.serving.security import LOOPBACK_HOSTS, SecurityMiddleware
from striate.serving.web_page import SANDBOX_HEADERS, render_web_page

LOG = logging.getLogger("striate.serving")
Handler = Callable[[Request], Awaitable[Response]]
RUN_PAGES = {"inside": "inside.html", "report": "report.html"}
"""Address → the file in a run's folder."""

MAX_BODY_SECONDS = 30.0  # that a body may take to arrive


def create_app(
    registry: ModelRegistry, *, allowed_hosts: Sequence[str] = LOOPBACK_HOSTS, token: str | None = None
) -> ASGIApp:
    """Returns the application.

    Args:
        registry: what is served.
        allowed_hosts: names that requests may be addressed to.
        token: that requests must bear; None for none.
    """
    routes = _Routes(registry, Metrics(registry), has_token=token is not None)

    @contextlib.asynccontextmanager
    async def lifespan(app: Router) -> AsyncIterator[None]:
        await registry.start()
        try:
            yield
        finally:
            await registry.close()

    return SecurityMiddleware(
        Router(routes.list_routes(), redirect_slashes=False, default=_respond_not_found, lifespan=lifespan),
        allowed_hosts=allowed_hosts,
        token=token,
        max_body_bytes=registry.limits.max_body_bytes,
        max_body_seconds=MAX_BODY_SECONDS,
        should_close=lambda: registry.is_shutting_down,
    )


class _Routes:
    """What is answered under which address."""

    def __init__(self, registry: ModelRegistry, metrics: Metrics, *, has_token: bool) -> None:
        self.registry, self.metrics, self.has_token = registry, metrics, has_token

    def list_routes(self) -> list[Route]:
        """Returns the routes."""
        model = "/v2/models/{name}"
        versioned = model + "/versions/{version}"
        return [
            self._create_route("/", self.get_page),
            self._create_route("/predict", self.predict, "POST"),
            self._create_route("/explain", self.explain, "POST"),
            *(self._create_route(f"/{name}", self.get_run_page) for name in RUN_PAGES),
            self._create_route("/classifier", self.get_classifier),
            self._create_route("/metrics", self.get_metrics),
            self._create_route("/openapi.json", self.get_openapi),
            self._create_route("/v2", self.get_server),
            self._create_route("/v2/health/live", self.get_liveness),
            self._create_route("/v2/health/ready", self.get_readiness),
            *(self._create_route(path, self.get_model) for path in (model, versioned)),
            *(self._create_route(path + "/ready", self.get_model_readiness) for path in (model, versioned)),
            *(self._create_route(path + "/infer", self.infer, "POST") for path in (model, versioned)),
            self._create_route("/v2/repository/index", self.list_models, "POST"),
            self._create_route("/v2/repository/models/{name}/load", self.reload_model, "POST"),
        ]

    def _create_route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """Returns a route whose faults are replies, and whose requests are counted."""
        methods = ("GET", "HEAD") if method == "GET" else (method,)
        return Route(path, _HandlerApp(path, methods, handler, self.metrics))

    async def get_page(self, request: Request) -> Response:
        """Shows the page."""
        shown = await asyncio.to_thread(render_web_page)
        return HTMLResponse(shown.html, headers=shown.headers)

    async def get_run_page(self, request: Request) -> Response:
        """Shows one of the run's own pages."""
        path = self._find_queried_model(request).pages.get(request.url.path.removeprefix("/"))
        if path is None or not path.is_file():
            raise RequestError("absent", "there is no such page of this classifier")
        return FileResponse(path, media_type="text/html", headers=SANDBOX_HEADERS)

    async def explain(self, request: Request) -> Response:
        """Tells where it looked in the one image in the request."""
        served = self._find_queried_model(request)
        images, _ = await read_request_images(request, self.registry.limits)
        if len(images) > 1:
            raise RequestError("large", "one image at a time")
        return JSONResponse(await explain_image(self.registry, served, images[0]))

    async def predict(self, request: Request) -> Response:
        """Answers the images in the request."""
        served = self._find_queried_model(request)
        top = _parse_positive_int(_get_query_parameter(request, "top"))
        images, several = await read_request_images(request, self.registry.limits)
        with self.registry.reserve_capacity(len(images)):
            predictions = await self.registry.predict_images(served, images)
        self._count_predictions(served, predictions)
        if all(prediction.error is not None for prediction in predictions):
            raise RequestError("undecodable", predictions[0].error or "")
        told = [
            {name: value for name, value in serialize_prediction(one, top).items() if name != "source"}
            for one in predictions
        ]
        head = {"classifier": served.name, "version": served.version}
        return JSONResponse({**head, "answers": told} if several else {**head, **told[0]})

    def _count_predictions(self, served_model: ServedModel, predictions: list[Prediction]) -> None:
        for one in predictions:
            outcome = "undecodable" if one.error is not None else "abstained" if one.is_abstention else "predicted"
            self.metrics.count_prediction(served_model.name, outcome)

    async def get_classifier(self, request: Request) -> Response:
        """Tells what is served: class names, preprocessing, how good it is."""
        served = self._find_queried_model(request)
        own = served.classifier
        return JSONResponse(
            {
                "classifier": served.name,
                "version": served.version,
                "architecture": own.architecture,
                "classes": list(own.classes),
                "preprocessing": to_plain(own.preprocessing),
                "reject_below": own.reject_below,
                "test": served.test_metrics,
                "pages": [name for name, path in served.pages.items() if path.is_file()],
                "classifiers": list(self.registry.served_models),
            }
        )

    async def get_metrics(self, request: Request) -> Response:
        """Tells the counts."""
        return Response(self.metrics.render_text(), media_type="text/plain; version=0.0.4")

    async def get_openapi(self, request: Request) -> Response:
        """Tells how to ask."""
        return JSONResponse(build_openapi(has_token=self.has_token))

    async def get_server(self, request: Request) -> Response:
        """Tells what server this is."""
        return JSONResponse(open_inference.build_server_metadata())

    async def get_liveness(self, request: Request) -> Response:
        """Tells that it is alive."""
        return JSONResponse({"live": True})

    async def get_readiness(self, request: Request) -> Response:
        """Tells whether it answers."""
        return JSONResponse({"ready": self.registry.is_ready}, 200 if self.registry.is_ready else 503)

    async def get_model(self, request: Request) -> Response:
        """Tells a classifier's inputs and outputs."""
        return JSONResponse(open_inference.build_model_metadata(self._find_path_model(request)))

    async def get_model_readiness(self, request: Request) -> Response:
        """Tells whether a classifier answers."""
        return JSONResponse({"name": self._find_path_model(request).name, "ready": self.registry.is_ready})

    async def infer(self, request: Request) -> Response:
        """Answers tensors."""
        return await open_inference.infer(request, self.registry, self._find_path_model(request))

    async def list_models(self, request: Request) -> Response:
        """Tells which classifiers there are, in the words of Triton's extension for repositories."""
        state = "READY" if self.registry.is_ready else "UNAVAILABLE"
        found = self.registry.served_models.values()
        return JSONResponse([{"name": one.name, "version": one.version, "state": state} for one in found])

    async def reload_model(self, request: Request) -> Response:
        """Takes the version that lies on the disk now."""
        name = request.path_params["name"]
        return JSONResponse({"name": name, "version": await self.registry.reload_model(name)})

    def _find_queried_model(self, request: Request) -> ServedModel:
        return self.registry.get_model(_get_query_parameter(request, "classifier"))

    def _find_path_model(self, request: Request) -> ServedModel:
        served = self.registry.get_model(request.path_params["name"])
        if request.path_params.get("version", served.version) != served.version:
            raise RequestError("absent", "no such version")
        return served


async def _respond_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await RequestError("absent").response(scope, receive, send)


class _HandlerApp:
    """A handler as an ASGI application of its own, which spares each request Starlette's layers around functions."""

    def __init__(self, path: str, methods: Sequence[str], handler: Handler, metrics: Metrics) -> None:
        self.path, self.methods, self.handler, self.metrics = path, methods, handler, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            if scope["method"] not in self.methods:
                raise RequestError("method", allowed_methods=self.methods)
            reply = await self.handler(Request(scope, receive))
        except RequestError as fault:
            reply = fault.response
        except ClientDisconnect:
            reply = Response(status_code=499)  # nobody reads it
        except Exception:
            LOG.exception("a request to %s failed", self.path)
            reply = RequestError("failed").response
        self.metrics.record_request(self.path, reply.status_code, time.perf_counter() - began)
        await reply(scope, receive, send)


def _get_query_parameter(request: Request, name: str) -> str | None:
    return request.query_params.get(name) if request.scope["query_string"] else None


def _parse_positive_int(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not int(text[:9]) > 0 or len(text) > 9:
        raise RequestError("malformed", "top is a whole number above 0")
    return int(text)
