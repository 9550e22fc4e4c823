"""`GET /generated/NAME`: a generated picture, for as long as its address is valid."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from localai.api.gateway import gateway_of
from localai.api.generated_files import PREFIX
from localai.api.plain_route import PlainRoute

router = APIRouter(tags=["files"], route_class=PlainRoute)


@router.get(PREFIX + "/{name}", response_class=Response)
async def show_generated_file(request: Request) -> Response:
    """Return a generated picture; who knows its name may have it."""
    file = gateway_of(request).generated.find(request.path_params["name"])
    headers = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}
    return FileResponse(file.path, headers=headers, media_type=file.media_type)
