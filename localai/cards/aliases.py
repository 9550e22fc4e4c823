"""Names that programs written for OpenAI send, and the capability whose default answers them."""

from __future__ import annotations

from localai.protocol.capabilities import Capability

DEFAULT_ALIASES: dict[Capability, tuple[str, ...]] = {
    Capability.CHAT: (
        "gpt-3.5-turbo",
        "gpt-3.5-turbo-16k",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-4-vision-preview",
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
        "o3",
        "o3-mini",
        "o4-mini",
        "claude-opus-4-6",
    ),
    Capability.COMPLETION: (
        "gpt-3.5-turbo-instruct",
        "davinci-002",
        "babbage-002",
    ),
}
