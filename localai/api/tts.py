"""`POST /tts`: speech as LocalAI has it, WAV where no format is named."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.openai.speech import say
from localai.api.plain_route import PlainRoute
from localai.api.schemas import request_body
from localai.protocol.audio import SpeechRequest

router = APIRouter(tags=["audio"], route_class=PlainRoute)


@router.post("/tts", response_class=Response, openapi_extra=request_body(SpeechRequest))
async def create_tts(request: Request) -> Response:
    """Say a text."""
    return await say(request, default_format="wav")
