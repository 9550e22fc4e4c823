"""The contract between the worker host and an engine: load, answer, unload."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import ClassVar

from localai.errors import InvalidRequest
from localai.protocol.capabilities import Capability
from localai.protocol.events import Event
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest


class Backend(ABC):
    """One loaded model.

    The host calls `load` once, then any number of answers at the same time, then `unload`. An
    answer is an async generator; the host closes it when the caller goes away, so that cancelling
    belongs into its `finally`. Raise an error of `localai.errors` before the first event and the
    caller gets its HTTP status; later, and the stream ends with an error frame.
    """

    honours: ClassVar[dict[Capability, frozenset[str]]] = {}
    """The request parameters that are honoured; others that change the answer are refused."""

    def __init__(self, spec: LaunchSpec) -> None:
        self.spec = spec

    @abstractmethod
    async def load(self) -> WorkerInfo:
        """Load the model.

        Raises LoadFailed with a sentence on what is wrong with the file or the options.
        """

    async def unload(self) -> None:  # noqa: B027 - most engines end with their process
        """Give everything back."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer a conversation: deltas, one `Finished` a choice, `Usage` last."""
        raise self._cannot(Capability.CHAT)

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Continue prompts; choice `prompt * n + i` is answer i to prompt number `prompt`."""
        raise self._cannot(Capability.COMPLETION)

    def metrics(self) -> dict[str, float]:
        """Return gauges and counters of the engine by name."""
        return {}

    def _cannot(self, capability: Capability) -> InvalidRequest:
        return InvalidRequest(f"The model '{self.spec.name}' has no {capability}.", param="model")
