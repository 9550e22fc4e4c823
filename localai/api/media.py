"""Pictures and audio that a call refers to: fetched or decoded here, told by their first bytes."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from localai.api.fetching import Allowance, NotFetched, fetch, refusal
from localai.errors import InvalidRequest
from localai.settings import Settings

Kind = Literal["image", "audio"]
_NAMES = {"image": "a picture", "audio": "audio"}
_SHOWN = 16

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_IN_BOX = {b"avif": "image/avif", b"heic": "image/heic", b"M4A ": "audio/mp4"}


@dataclass(frozen=True, slots=True)
class Media:
    """What a reference led to."""

    content: bytes
    media_type: str

    def data_uri(self) -> str:
        """Return it as a data URI, the form in which workers take it."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


def media_type_of(content: bytes) -> str | None:
    """Return the type that the first bytes tell, None for what is neither picture nor audio."""
    if content[:4] == b"RIFF":
        return _IN_RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return _IN_BOX.get(content[8:12], "audio/mp4")
    return next((kind for start, kind in _BEGINNINGS if content.startswith(start)), None)


async def fetch_media(
    settings: Settings, url: str, *, param: str, kind: Kind, allowance: Allowance | None = None
) -> Media:
    """Return the picture or audio that `url`, a data URI or an http(s) address, leads to.

    Raises InvalidRequest that says why not: malformed, not fetched, more than `allowance`, which
    several fetches may share, or of another kind.
    """
    allowance = allowance or Allowance(settings, param)
    if url[:5].lower() == "data:":
        content = _decode_data_uri(url, param)
        allowance.take(len(content))
    else:
        try:
            content = await fetch(url, settings, allowance)
        except NotFetched as reason:
            raise refusal(reason, param) from None
    return check_kind(content, param=param, kind=kind)


def check_kind(content: bytes, *, param: str, kind: Kind) -> Media:
    """Return `content` with its type; raises InvalidRequest when it is of another kind."""
    media_type = media_type_of(content)
    if media_type is None or not media_type.startswith(kind):
        said = media_type or f"data that begins with {content[:_SHOWN]!r}"
        raise InvalidRequest(f"'{param}' is not {_NAMES[kind]} but {said}.", param=param)
    return Media(content, media_type)


def decode_base64(text: str, param: str) -> bytes:
    """Return decoded base64, line breaks forgiven; raises InvalidRequest."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"'{param}' is not valid base64.", param=param) from None


def _decode_data_uri(url: str, param: str) -> bytes:
    head, comma, data = url.partition(",")
    if not comma:
        raise InvalidRequest(f"'{param}' is a data URI without a comma.", param=param)
    if head.lower().rstrip().endswith(";base64"):
        return decode_base64(unquote_to_bytes(data).decode("latin-1"), param)
    return unquote_to_bytes(data)
