"""Reads a call to a worker: a typed request, and what of it the answer will not reflect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from localai.protocol.asgi import BodyLimits, parse_request, read_json_object
from localai.protocol.capabilities import Capability
from localai.protocol.wire import Wire
from localai.worker.backend import Backend
from localai.worker.parameters import check_parameters

Endpoint = Callable[[Request], Awaitable[Response]]
RequestT = TypeVar("RequestT", bound=Wire)

# The gateway has checked the size already; a worker takes what its socket's one owner sends.
_LIMITS = BodyLimits(size=2**31, depth=10_000)


async def read_call(
    request: Request, backend: Backend, capability: Capability, kind: type[RequestT]
) -> tuple[RequestT, list[str]]:
    """Return the request and the names of the fields that the answer will not reflect.

    Raises InvalidRequest, and UnsupportedParameter for what `backend` does not honour.
    """
    asked = parse_request(kind, await read_json_object(request, _LIMITS))
    spec = backend.spec
    honoured = backend.honours.get(capability, frozenset())
    return asked, check_parameters(asked, honoured, model=spec.name, lenient=spec.lenient)
