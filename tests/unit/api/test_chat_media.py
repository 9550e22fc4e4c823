"""What a chat carries beside text, found and fetched."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from localai.api.openai.chat_media import media_parts, with_fetched_media
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.asgi import parse_request
from localai.protocol.requests import ChatRequest
from localai.settings import Settings
from tests.unit.api.picture_server import PNG, PictureServer

SETTINGS = Settings(allow_private_media=True, media_timeout=30, max_media_mib=2**-6)
TEXT = {"type": "text", "text": "What is this?"}
FILE = {"type": "file", "file": {"file_data": "JVBERi0="}}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[PictureServer]:
    async with PictureServer() as server:
        yield server


def picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def recording(content: bytes) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(content).decode()}}


def chat(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [TEXT, *parts]}]}


async def fetched(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts beside the text as a worker gets them."""
    body = chat(*parts)
    found = media_parts(parse_request(ChatRequest, body))
    answer = await with_fetched_media(body, found, SETTINGS)
    return list(answer["messages"][0]["content"][1:])


async def test_addresses_become_data_uris(server: PictureServer) -> None:
    url = server.says("/cat", PNG)
    assert await fetched(picture(url)) == [picture(data_uri(PNG))]


@pytest.mark.parametrize("kind", ["address", "data", "audio"])
async def test_what_is_too_much_together_ends_all_fetches_at_once(
    server: PictureServer, kind: str
) -> None:
    """Half the limit thrice; the fetch that never ends would else run into its time limit."""
    half = PNG + bytes(8_000)
    parts = {
        "address": picture(server.says("/half", half)),
        "data": picture(data_uri(half)),
        "audio": recording(b"RIFF0000WAVE" + bytes(8_000)),
    }
    silent = picture(f"{server.url}/silence")
    with pytest.raises(InvalidRequest, match=r"larger than 0\.015625 MiB in all") as refused:
        await fetched(silent, parts["address"], parts["address"], parts[kind])
    assert refused.value.param == "messages"
    assert "LOCALAI_MAX_MEDIA_MIB" in refused.value.message


async def test_a_file_is_refused_wherever_it_stands() -> None:
    for parts, place in (([FILE], 1), ([picture(data_uri(PNG)), FILE], 2)):
        with pytest.raises(UnsupportedParameter, match="part of type 'file'") as refused:
            media_parts(parse_request(ChatRequest, chat(*parts)))
        assert refused.value.param == f"messages[0].content[{place}]"
