"""Chat and text completions over a loaded backend."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from localai.protocol.capabilities import Capability
from localai.protocol.requests import ChatRequest, CompletionRequest
from localai.worker.answers import Answer
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint, read_call
from localai.worker.shapes import ChatShape, CompletionShape


def endpoints(backend: Backend) -> dict[Capability, Endpoint]:
    """Return what answers chat and text completions."""
    model = backend.spec.name

    async def chat(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, Capability.CHAT, ChatRequest)
        shape = ChatShape(model, with_usage=asked.wants_usage())
        return Answer(backend.chat(asked), shape, stream=bool(asked.stream), ignored=ignored)

    async def complete(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, Capability.COMPLETION, CompletionRequest)
        shape = CompletionShape(model, with_usage=asked.wants_usage())
        return Answer(backend.complete(asked), shape, stream=bool(asked.stream), ignored=ignored)

    return {Capability.CHAT: chat, Capability.COMPLETION: complete}
