"""The HTTP side of a worker: OpenAI's paths over one loaded backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from localai.protocol.asgi import (
    BodyLimits,
    install_error_handlers,
    json_response,
    parse_request,
    read_json_object,
)
from localai.protocol.capabilities import ROUTES, Capability
from localai.protocol.launch import WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest, Sampling
from localai.worker.answers import Answer
from localai.worker.backend import Backend
from localai.worker.parameters import check_parameters
from localai.worker.shapes import ChatShape, CompletionShape

Endpoint = Callable[[Request], Awaitable[Response]]

# The gateway has checked the size already; a worker takes what its socket's one owner sends.
_LIMITS = BodyLimits(size=2**31, depth=10_000)


def create_worker_app(backend: Backend, info: WorkerInfo) -> Starlette:
    """Return the ASGI app of a worker whose `backend` is loaded."""
    answers = {
        Capability.CHAT: _chat_endpoint(backend),
        Capability.COMPLETION: _completion_endpoint(backend),
    }
    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/info", _info_endpoint(info), methods=["GET"]),
        Route("/metrics", _metrics_endpoint(backend), methods=["GET"]),
    ]
    routes += [Route(ROUTES[c], answers[c], methods=["POST"]) for c in info.capabilities]
    app = Starlette(routes=routes)
    install_error_handlers(app)
    return app


def _chat_endpoint(backend: Backend) -> Endpoint:
    async def chat(request: Request) -> Response:
        asked = parse_request(ChatRequest, await read_json_object(request, _LIMITS))
        ignored = _ignored(backend, Capability.CHAT, asked)
        shape = ChatShape(backend.spec.name, with_usage=asked.wants_usage())
        return Answer(backend.chat(asked), shape, stream=bool(asked.stream), ignored=ignored)

    return chat


def _completion_endpoint(backend: Backend) -> Endpoint:
    async def complete(request: Request) -> Response:
        asked = parse_request(CompletionRequest, await read_json_object(request, _LIMITS))
        ignored = _ignored(backend, Capability.COMPLETION, asked)
        shape = CompletionShape(backend.spec.name, with_usage=asked.wants_usage())
        return Answer(backend.complete(asked), shape, stream=bool(asked.stream), ignored=ignored)

    return complete


def _ignored(backend: Backend, capability: Capability, asked: Sampling) -> list[str]:
    honoured = backend.honours.get(capability, frozenset())
    spec = backend.spec
    return check_parameters(asked, honoured, model=spec.name, lenient=spec.lenient)


async def _health(request: Request) -> Response:
    return json_response({"status": "ok"})


def _info_endpoint(info: WorkerInfo) -> Endpoint:
    async def show_info(request: Request) -> Response:
        return json_response(info.model_dump(mode="json"))

    return show_info


def _metrics_endpoint(backend: Backend) -> Endpoint:
    async def show_metrics(request: Request) -> Response:
        lines = [_metric(name, value) for name, value in backend.metrics().items()]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")

    return show_metrics


def _metric(name: str, value: float) -> str:
    kind = "counter" if name.endswith("_total") else "gauge"
    return f"# TYPE localai_worker_{name} {kind}\nlocalai_worker_{name} {value!r}\n"
