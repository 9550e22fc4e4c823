"""Calls for embeddings that are all there before any of them is computed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

from tests.gateways import DEADLINE, until

T = TypeVar("T")


class Gathering:
    """Holds the `compute` of a class of models back until all calls wait for it."""

    def __init__(self, model: type[Any], patch: pytest.MonkeyPatch) -> None:
        self._may_compute = threading.Event()
        self._may_compute.set()
        compute: Callable[..., Any] = model.compute

        def compute_when_allowed(self_of_model: Any, batch: Any) -> Any:
            assert self._may_compute.wait(DEADLINE)
            return compute(self_of_model, batch)

        patch.setattr(model, "compute", compute_when_allowed)

    async def answers(
        self, figures: Callable[[], dict[str, float]], calls: Sequence[Awaitable[T]]
    ) -> list[T]:
        """Make `calls`, and let the model compute once its `figures` count them all."""
        self._may_compute.clear()
        asked = [asyncio.ensure_future(call) for call in calls]
        try:
            await until(lambda: figures()["sequences_running"] == len(asked))
        finally:
            self._may_compute.set()
        return await asyncio.gather(*asked)
