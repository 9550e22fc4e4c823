"""What a chat carries beside text: who can take it, and the fetching of what it refers to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localai.api.fetching import Allowance
from localai.api.media import Kind, Media, check_kind, decode_base64, fetch_media
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.capabilities import Capability
from localai.protocol.requests import ChatRequest
from localai.settings import Settings

_MOST_PARTS = 64
_KINDS: dict[str, Kind] = {"image_url": "image", "input_audio": "audio"}
_CAPABILITIES = {"image_url": Capability.VISION, "input_audio": Capability.HEARING}


@dataclass(frozen=True, slots=True)
class MediaPart:
    """A part of a message that is no text, and where it stands."""

    message: int
    number: int
    type: str
    reference: str
    """A URL, or base64."""

    @property
    def param(self) -> str:
        """The field as errors name it."""
        field = "image_url.url" if self.type == "image_url" else "input_audio.data"
        return f"messages[{self.message}].content[{self.number}].{field}"


def media_parts(request: ChatRequest) -> list[MediaPart]:
    """Return the pictures and audio of a chat.

    Raises InvalidRequest when they are too many, UnsupportedParameter for files.
    """
    found = list(_find(request))
    if len(found) > _MOST_PARTS:
        raise InvalidRequest(
            f"The messages hold {len(found)} pictures and recordings; send {_MOST_PARTS} at most.",
            param="messages",
        )
    return found


def _find(request: ChatRequest) -> Iterator[MediaPart]:
    for index, message in enumerate(request.messages):
        if not isinstance(message.content, list):
            continue
        for number, part in enumerate(message.content):
            if part.type == "image_url" and part.image_url:
                yield MediaPart(index, number, part.type, part.image_url.url)
            elif part.type == "input_audio" and part.input_audio:
                yield MediaPart(index, number, part.type, part.input_audio.data)
            elif part.type == "file":
                raise UnsupportedParameter(
                    "No model here takes a part of type 'file': send its content as text, or its "
                    "pages as pictures.",
                    param=f"messages[{index}].content[{number}]",
                )


def wanted_capabilities(parts: list[MediaPart]) -> list[Capability]:
    """Return what a model must be able to do to answer a chat with `parts`."""
    return list(dict.fromkeys(_CAPABILITIES[part.type] for part in parts)) or [Capability.CHAT]


async def with_fetched_media(
    body: dict[str, Any], parts: list[MediaPart], settings: Settings
) -> dict[str, Any]:
    """Return `body` with each of `parts` as a data URI, or base64 that was looked at.

    Raises InvalidRequest that names the part, or all messages where they refer to too much.
    """
    return _replaced(body, parts, await _fetch_all(parts, settings))


async def _fetch_all(parts: list[MediaPart], settings: Settings) -> list[Media]:
    allowance = Allowance(settings, "messages")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_fetch(part, settings, allowance)) for part in parts]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _fetch(part: MediaPart, settings: Settings, allowance: Allowance) -> Media:
    param, kind = part.param, _KINDS[part.type]
    if part.type == "input_audio":
        content = decode_base64(part.reference, param)
        allowance.take(len(content))
        return check_kind(content, param=param, kind=kind)
    return await fetch_media(settings, part.reference, param=param, kind=kind, allowance=allowance)


def _replaced(body: dict[str, Any], parts: list[MediaPart], fetched: list[Media]) -> dict[str, Any]:
    messages = [dict(message) for message in body["messages"]]
    for part, media in zip(parts, fetched, strict=True):
        message = messages[part.message]
        content = message["content"] = list(message["content"])
        content[part.number] = _resolved_part(content[part.number], part.type, media)
    return {**body, "messages": messages}


def _resolved_part(raw: dict[str, Any], kind: str, media: Media) -> dict[str, Any]:
    if kind == "input_audio":
        return raw
    said = raw["image_url"]
    fields = {} if isinstance(said, str) else said
    return {**raw, "image_url": {**fields, "url": media.data_uri()}}
