"""What a model can do, and the route that asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Capability(StrEnum):
    """A thing a model can be asked for; cards and workers list these."""

    CHAT = "chat"
    COMPLETION = "completion"
    VISION = "vision"
    HEARING = "hearing"
    EMBEDDING = "embedding"
    TRANSCRIPTION = "transcription"
    TRANSLATION = "translation"
    VOICE_ACTIVITY = "vad"
    SPEECH = "speech"
    IMAGE = "image"
    IMAGE_EDIT = "image_edit"
    IMAGE_VARIATION = "image_variation"


ROUTES: dict[Capability, str] = {
    Capability.CHAT: "/v1/chat/completions",
    Capability.COMPLETION: "/v1/completions",
    Capability.EMBEDDING: "/v1/embeddings",
    Capability.TRANSCRIPTION: "/v1/audio/transcriptions",
    Capability.TRANSLATION: "/v1/audio/translations",
    Capability.VOICE_ACTIVITY: "/v1/vad",
    Capability.SPEECH: "/v1/audio/speech",
    Capability.IMAGE: "/v1/images/generations",
    Capability.IMAGE_EDIT: "/v1/images/edits",
    Capability.IMAGE_VARIATION: "/v1/images/variations",
}
"""The path of each capability, the same on the gateway and on a worker.

Vision and hearing have none of their own: they are what a chat may carry beside text.
"""

_INPUTS: dict[Capability, tuple[str, ...]] = {
    Capability.CHAT: ("text",),
    Capability.COMPLETION: ("text",),
    Capability.VISION: ("image",),
    Capability.HEARING: ("audio",),
    Capability.EMBEDDING: ("text",),
    Capability.TRANSCRIPTION: ("audio",),
    Capability.TRANSLATION: ("audio",),
    Capability.VOICE_ACTIVITY: ("audio",),
    Capability.SPEECH: ("text",),
    Capability.IMAGE: ("text",),
    Capability.IMAGE_EDIT: ("text", "image"),
    Capability.IMAGE_VARIATION: ("image",),
}
_OUTPUTS: dict[Capability, tuple[str, ...]] = {
    Capability.CHAT: ("text",),
    Capability.COMPLETION: ("text",),
    Capability.EMBEDDING: ("embedding",),
    Capability.TRANSCRIPTION: ("text",),
    Capability.TRANSLATION: ("text",),
    Capability.VOICE_ACTIVITY: ("segments",),
    Capability.SPEECH: ("audio",),
    Capability.IMAGE: ("image",),
    Capability.IMAGE_EDIT: ("image",),
    Capability.IMAGE_VARIATION: ("image",),
}


def input_modalities(capabilities: Iterable[Capability]) -> list[str]:
    """Return what a model with these capabilities takes: `text`, `image`, `audio`."""
    return _together(capabilities, _INPUTS)


def output_modalities(capabilities: Iterable[Capability]) -> list[str]:
    """Return what a model with these capabilities makes, as `text`, `embedding`, `audio`."""
    return _together(capabilities, _OUTPUTS)


def _together(
    capabilities: Iterable[Capability], table: dict[Capability, tuple[str, ...]]
) -> list[str]:
    return list(dict.fromkeys(kind for one in capabilities for kind in table.get(one, ())))
