"""A command that shows what a model can do, for the line after it came."""

from __future__ import annotations

from collections.abc import Collection

from localai.protocol.capabilities import Capability

_TRY = {
    Capability.CHAT: "localai chat {name}",
    Capability.SPEECH: "localai say --model {name} -o speech.mp3 'Good morning.'",
    Capability.TRANSCRIPTION: "localai transcribe --model {name} FILE",
    Capability.IMAGE: "localai draw --model {name} -o picture.png 'a red circle'",
    Capability.EMBEDDING: "localai embed --model {name} 'Good morning.'",
}
_OTHERWISE = "localai models show {name}"


def what_to_try(name: str, capabilities: Collection[Capability]) -> str:
    """Return a command for the first of its capabilities that a command shows."""
    example = next((text for able, text in _TRY.items() if able in capabilities), _OTHERWISE)
    return example.format(name=name)
