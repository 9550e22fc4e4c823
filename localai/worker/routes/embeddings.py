"""Embeddings over a loaded backend."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from localai.errors import InvalidRequest
from localai.protocol.asgi import CLIENT_GONE, JSON, CallerGone, watch_caller
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.worker.answers import ignored_header, typed_error
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint, read_call
from localai.worker.long_input import unit_length
from localai.worker.results import Embeddings

Vectors = NDArray[np.float32]


def endpoints(backend: Backend) -> dict[Capability, Endpoint]:
    """Return what answers calls for embeddings."""

    async def embed(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, Capability.EMBEDDING, EmbeddingRequest)
        try:
            async with watch_caller(request.receive):
                found = await backend.embed(asked)
        except CallerGone:
            return Response(status_code=CLIENT_GONE)
        except Exception as error:
            raise typed_error(error) from None
        body = embeddings_body(found, asked, backend.spec.name)
        return Response(body, headers=ignored_header(ignored), media_type=JSON)

    return {Capability.EMBEDDING: embed}


def embeddings_body(found: Embeddings, asked: EmbeddingRequest, model: str) -> bytes:
    """Return the answer as JSON, with `usage` last, where the gateway looks for it.

    Source: OpenAI's `CreateEmbeddingResponse`; base64 carries little-endian float32. Raises
    InvalidRequest when more dimensions are asked for than the vectors have.
    """
    vectors = _shortened(found, asked.dimensions)
    values: Any = vectors
    if asked.encoding_format == "base64":
        values = [base64.b64encode(row.tobytes()).decode("ascii") for row in vectors.astype("<f4")]
    data = [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(values)]
    usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    body = {"object": "list", "data": data, "model": model, "usage": usage}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _shortened(found: Embeddings, dimensions: int | None) -> Vectors:
    most = found.vectors.shape[1]
    if dimensions is None or dimensions == most:
        return found.vectors
    if dimensions > most:
        raise InvalidRequest(
            f"Invalid 'dimensions': {dimensions} is more than the {most} that this model has.",
            param="dimensions",
        )
    short = np.ascontiguousarray(found.vectors[:, :dimensions])
    return unit_length(short) if found.is_normalized else short
