from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.echo_gateway import echo_gateway
from tests.gateways import RunningGateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with echo_gateway(tmp_path_factory.mktemp("wire")) as gateway:
        yield gateway
