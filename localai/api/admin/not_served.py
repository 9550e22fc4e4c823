"""Routes of LocalAI for which there is another way here: each says which."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.errors import RouteNotFound

router = APIRouter(prefix="/models", include_in_schema=False)
_INSTEAD = {
    "/import": "`localai card import FILE` makes a card of another program's file",
    "/import-uri": 'POST /models/apply takes a reference: {"id": "hf://org/repo"}',
    "/reload": "cards are read again by themselves once their files change",
    "/edit/{name:path}": "the card is a file, whose `path` GET /models?view=admin tells: change it",
}


def _refusal(instead: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def refuse(request: Request) -> Response:
        where = f"{request.method} {request.url.path}"
        raise RouteNotFound(f"There is no {where} here: {instead}.")

    return refuse


for path, instead in _INSTEAD.items():
    router.add_api_route(path, _refusal(instead), methods=["POST"], response_class=Response)
