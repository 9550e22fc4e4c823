"""What echo says about pictures and recordings: their type and size, as `[image/png:108]`."""

from __future__ import annotations

import base64

from localai.protocol.requests import ContentPart, Message


def media_words(message: Message) -> str:
    """Return a word for each medium of the message, each behind a space."""
    parts = message.content if isinstance(message.content, list) else []
    return "".join(f" [{_described(part)}]" for part in parts if part.image_url or part.input_audio)


def _described(part: ContentPart) -> str:
    if part.image_url is not None:
        head, _, data = part.image_url.url.partition(",")
        detail = f":{part.image_url.detail}" if part.image_url.detail else ""
        kind = head.removeprefix("data:").removesuffix(";base64")
        return f"{kind}:{len(base64.b64decode(data))}{detail}"
    assert part.input_audio is not None
    return f"audio:{len(base64.b64decode(part.input_audio.data))}"
