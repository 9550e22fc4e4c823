"""OpenAI's own client against the running gateway; every answer is held against OpenAI's types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
import pytest_asyncio

from tests.echo_gateway import echo_gateway
from tests.gateways import DEADLINE, RunningGateway
from tests.openai_spec import AsyncCheckedTransport, CheckedTransport


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with echo_gateway(tmp_path_factory.mktemp("e2e")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def open_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that fetches pictures from this machine too."""
    with echo_gateway(tmp_path_factory.mktemp("open"), allow_private_media="true") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def patience() -> float:
    """Seconds that a client waits; modules with slow models give it more."""
    return DEADLINE


@pytest.fixture
def client(gateway: RunningGateway, patience: float) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(transport=CheckedTransport())
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", http_client=http, timeout=patience,
        max_retries=0,
    ) as client:  # fmt: skip
        yield client


@pytest_asyncio.fixture
async def async_client(
    gateway: RunningGateway, patience: float
) -> AsyncIterator[openai.AsyncOpenAI]:
    http = openai.DefaultAsyncHttpxClient(transport=AsyncCheckedTransport())
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", http_client=http, timeout=patience,
        max_retries=0,
    ) as client:  # fmt: skip
        yield client
