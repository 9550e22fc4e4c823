"""The pictures and recordings of a chat, and the places in the prompt where they belong."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence

from backends.llama_cpp.engine.media import Piece, Projector
from backends.llama_cpp.media_decoding import decode_picture, decode_recording
from backends.llama_cpp.template import check_parts
from localai.errors import InvalidRequest
from localai.protocol.requests import ContentPart, Message

MEDIA_TYPES = frozenset({"image_url", "input_audio"})


def media_of(messages: Sequence[Message]) -> Iterator[tuple[ContentPart, str]]:
    """Yield the parts that are pictures or recordings, each with its name in errors.

    Raises InvalidRequest for parts that are neither media nor text.
    """
    for number, message in enumerate(messages):
        check_parts(message, number, beside=MEDIA_TYPES)
        if isinstance(message.content, list):
            for place, part in enumerate(message.content):
                if part.type in MEDIA_TYPES:
                    yield part, f"messages[{number}].content[{place}]"


class Attachments:
    """Reads pictures and recordings with the model's projector, if it has one."""

    def __init__(self, projector: Projector | None) -> None:
        self._projector = projector

    def read(self, part: ContentPart, param: str) -> list[Piece]:
        """Return the pieces of the prompt that stand for `part`.

        Raises InvalidRequest where the model cannot take it, or it cannot be read.
        """
        projector = self._projector
        if part.type == "image_url" and projector is not None and projector.sees:
            return projector.read(decode_picture(part, param))
        if part.type == "input_audio" and projector is not None and projector.hears:
            return projector.read(decode_recording(part, projector.sample_rate, param))
        raise InvalidRequest(
            f"This model cannot take a part of type '{part.type}': leave it out, or choose a model "
            "that can.",
            param=param,
        )


class MediaMarks:
    """Marks that stand for pictures and recordings while a template writes the prompt.

    Templates each have their own idea of where a picture goes; all of them leave text alone.
    """

    def __init__(self) -> None:
        # Nobody can write a mark that he cannot guess.
        nonce = secrets.token_hex(8)
        self._mark = f"\ue002{nonce}-%d\ue003"
        self._marks = re.compile(f"\ue002{nonce}-(\\d+)\ue003")
        self._count = 0

    def put_in(self, messages: Sequence[Message]) -> list[Message]:
        """Return `messages` with a mark in the text for each medium, numbered from 0."""
        return [self._marked(message) for message in messages]

    def split(self, prompt: str) -> Iterator[str | int]:
        """Cut a rendered prompt into its texts and the numbers of its media."""
        for number, piece in enumerate(self._marks.split(prompt)):
            if number % 2:
                yield int(piece)
            elif piece:
                yield piece

    def _marked(self, message: Message) -> Message:
        content = message.content
        if not isinstance(content, list) or all(p.type not in MEDIA_TYPES for p in content):
            return message
        texts = "".join(self._texts(content))
        return message.model_copy(update={"content": texts})

    def _texts(self, parts: Sequence[ContentPart]) -> Iterator[str]:
        """Yield texts and marks: a newline between two texts, none beside a mark."""
        follows_text = False
        for part in parts:
            if part.type in MEDIA_TYPES:
                yield self._mark % self._count
                self._count += 1
                follows_text = False
            else:
                yield "\n" * follows_text + (part.text or part.refusal or "")
                follows_text = True
