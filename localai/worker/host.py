"""The HTTP side of a worker: OpenAI's paths over one loaded backend."""

from __future__ import annotations

import importlib

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from localai.protocol.asgi import install_error_handlers, json_response
from localai.protocol.capabilities import ROUTES, Capability
from localai.protocol.launch import WorkerInfo
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint

_MODULES: dict[Capability, str] = {
    Capability.CHAT: "text",
    Capability.COMPLETION: "text",
    Capability.EMBEDDING: "embeddings",
    Capability.TRANSCRIPTION: "transcription",
    Capability.TRANSLATION: "transcription",
    Capability.VOICE_ACTIVITY: "transcription",
    Capability.SPEECH: "speech",
    Capability.IMAGE: "images",
    Capability.IMAGE_EDIT: "images",
    Capability.IMAGE_VARIATION: "images",
}
"""Which module of `localai.worker.routes` answers; each imports what its kind of media needs."""


def create_worker_app(backend: Backend, info: WorkerInfo) -> Starlette:
    """Return the ASGI app of a worker whose `backend` is loaded."""
    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/info", _info_endpoint(info), methods=["GET"]),
        Route("/metrics", _metrics_endpoint(backend), methods=["GET"]),
        Route("/v1/audio/voices", _voices_endpoint(backend), methods=["GET"]),
    ]
    asked_by_path = [capability for capability in info.capabilities if capability in ROUTES]
    routes += [Route(ROUTES[c], _endpoint(backend, c), methods=["POST"]) for c in asked_by_path]
    app = Starlette(routes=routes)
    install_error_handlers(app)
    return app


def _endpoint(backend: Backend, capability: Capability) -> Endpoint:
    module = importlib.import_module(f"localai.worker.routes.{_MODULES[capability]}")
    endpoint: Endpoint = module.endpoints(backend)[capability]
    return endpoint


async def _health(request: Request) -> Response:
    return json_response({"status": "ok"})


def _info_endpoint(info: WorkerInfo) -> Endpoint:
    async def show_info(request: Request) -> Response:
        return json_response(info.model_dump(mode="json"))

    return show_info


def _voices_endpoint(backend: Backend) -> Endpoint:
    async def list_voices(request: Request) -> Response:
        voices = [{"id": name, "name": name} for name in backend.voices()]
        return json_response({"voices": voices})

    return list_voices


def _metrics_endpoint(backend: Backend) -> Endpoint:
    async def show_metrics(request: Request) -> Response:
        lines = [_metric(name, value) for name, value in backend.metrics().items()]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")

    return show_metrics


def _metric(name: str, value: float) -> str:
    kind = "counter" if name.endswith("_total") else "gauge"
    return f"# TYPE localai_worker_{name} {kind}\nlocalai_worker_{name} {value!r}\n"
