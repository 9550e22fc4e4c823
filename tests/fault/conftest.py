"""A gateway for each test: faults leave traces that another test must not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.gateways import RunningGateway

ECHO = "name: echo\nbackend: echo\n"
Start = Callable[..., RunningGateway]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a gateway with cards (`name=yaml`) and settings; it ends with the test."""
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:

        def start(cards: dict[str, str] | None = None, **settings: object) -> RunningGateway:
            gateway = RunningGateway(folder, **settings)
            for name, text in (cards or {"echo": ECHO}).items():
                gateway.add_card(name, text)
            return stack.enter_context(gateway)

        yield start
