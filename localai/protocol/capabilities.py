"""What a model can do, and the route that asks for it."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """A thing a model can be asked for; cards and workers list these."""

    CHAT = "chat"
    COMPLETION = "completion"


ROUTES: dict[Capability, str] = {
    Capability.CHAT: "/v1/chat/completions",
    Capability.COMPLETION: "/v1/completions",
}
"""The OpenAI path of each capability, the same on the gateway and on a worker."""
