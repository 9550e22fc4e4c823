"""Pictures over a loaded backend: generations, edits and variations."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from localai.protocol.capabilities import Capability
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.answers import Answer
from localai.worker.backend import Backend
from localai.worker.calls import Endpoint, read_call
from localai.worker.pictures import PictureForm

Kind = type[ImageRequest] | type[ImageEditRequest] | type[ImageVariationRequest]


def endpoints(backend: Backend) -> dict[Capability, Endpoint]:
    """Return what answers calls for pictures."""
    return {
        Capability.IMAGE: _endpoint(backend, Capability.IMAGE, ImageRequest),
        Capability.IMAGE_EDIT: _endpoint(backend, Capability.IMAGE_EDIT, ImageEditRequest),
        Capability.IMAGE_VARIATION: _endpoint(
            backend, Capability.IMAGE_VARIATION, ImageVariationRequest
        ),
    }


def _endpoint(backend: Backend, capability: Capability, kind: Kind) -> Endpoint:
    async def draw(request: Request) -> Response:
        asked, ignored = await read_call(request, backend, capability, kind)
        stream = bool(getattr(asked, "stream", None))
        return Answer(backend.draw(asked), PictureForm(asked), stream=stream, ignored=ignored)

    return draw
