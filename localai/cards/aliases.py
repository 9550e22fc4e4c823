"""Names that programs written for OpenAI send, and the capability whose default answers them."""

from __future__ import annotations

import re

from localai.protocol.capabilities import Capability

DEFAULT_ALIASES: dict[Capability, tuple[str, ...]] = {
    Capability.CHAT: (
        "gpt-3.5-turbo",
        "gpt-3.5-turbo-16k",
        "gpt-4",
        "gpt-4-32k",
        "gpt-4-turbo",
        "gpt-4-turbo-preview",
        "gpt-4-0125-preview",
        "gpt-4-1106-preview",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-4o",
        "gpt-4o-mini",
        "chatgpt-4o-latest",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "gpt-5-chat-latest",
        "gpt-5.1",
        "gpt-5.2",
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.6-sol",
        "o1",
        "o1-mini",
        "o1-pro",
        "o3",
        "o3-mini",
        "o3-pro",
        "o4-mini",
        "claude-opus-4-6",
    ),
    Capability.VISION: ("gpt-4-vision-preview", "gpt-4-1106-vision-preview"),
    Capability.HEARING: (
        "gpt-4o-audio-preview",
        "gpt-4o-mini-audio-preview",
        "gpt-audio",
        "gpt-audio-1.5",
        "gpt-audio-mini",
    ),
    Capability.EMBEDDING: (
        "text-embedding-ada-002",
        "text-embedding-3-small",
        "text-embedding-3-large",
    ),
    Capability.TRANSCRIPTION: (
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-transcribe-diarize",
    ),
    Capability.VOICE_ACTIVITY: ("silero-vad",),
    Capability.SPEECH: ("tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
    Capability.IMAGE: (
        "dall-e-2",
        "dall-e-3",
        "gpt-image-1",
        "gpt-image-1-mini",
        "gpt-image-1.5",
        "gpt-image-2",
        "chatgpt-image-latest",
        "stablediffusion",
    ),
    Capability.COMPLETION: (
        "gpt-3.5-turbo-instruct",
        "davinci-002",
        "babbage-002",
    ),
}

_CHATS = frozenset({Capability.CHAT, Capability.VISION, Capability.HEARING})
_ASKED_OF: dict[Capability, frozenset[Capability]] = {
    Capability.VISION: _CHATS,
    Capability.HEARING: _CHATS,
    Capability.TRANSLATION: frozenset({Capability.TRANSCRIPTION}),
    Capability.IMAGE_EDIT: frozenset({Capability.IMAGE}),
    Capability.IMAGE_VARIATION: frozenset({Capability.IMAGE}),
}
"""OpenAI has no names of their own for these: which models' names programs send for each."""

_CAPABILITIES = {alias: key for key, aliases in DEFAULT_ALIASES.items() for alias in aliases}
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4})")
# New members of these families appear more often than this list can.
_FAMILY = re.compile(r"gpt-(?:4\.1|5)(?:[.-][a-z0-9.-]+)?")


def undated(name: str) -> str:
    """Return `gpt-4o` for `gpt-4o-2024-08-06`; names that are not OpenAI's stay as they are."""
    dated = _SNAPSHOT.search(name)
    base = name[: dated.start()] if dated and dated.end() == len(name) else name
    return base if base in _CAPABILITIES else name


def habitual_capability(name: str) -> Capability | None:
    """Return what a program means to ask for with a model name of OpenAI's, None for others."""
    if _FAMILY.fullmatch(name):
        return Capability.CHAT
    return _CAPABILITIES.get(name)


def takes_along(meant: Capability | None, asked: Capability) -> bool:
    """Tell whether OpenAI's models for `meant` are the ones that programs ask for `asked` too."""
    return meant in _ASKED_OF.get(asked, ())
