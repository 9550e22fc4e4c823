"""Why a request failed, in words that a person can use, whatever the client calls it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import httpx2
import pytest

from localai.network.clients import async_client, client
from localai.network.failures import reason_of
from localai.network.reach import ANYWHERE, PUBLIC_MODELS, Reach
from tests.unit.network.names import Names
from tests.unit.store.file_server import FileServer, nobody

Ask = Callable[[str, Reach], Exception]


def asked_here(url: str, reach: Reach) -> Exception:
    with client(reach, timeout=0.2) as asking, pytest.raises(httpx2.HTTPError) as raised:
        asking.get(url)
    return raised.value


def asked_on_a_loop(url: str, reach: Reach) -> Exception:
    async def ask() -> Exception:
        async with async_client(reach, timeout=0.2) as asking:
            with pytest.raises(httpx2.HTTPError) as raised:
                await asking.get(url)
        return raised.value

    return asyncio.run(ask())


ways = pytest.mark.parametrize("ask", [asked_here, asked_on_a_loop])
reaches = pytest.mark.parametrize("reach", [ANYWHERE, PUBLIC_MODELS])


@ways
@reaches
def test_a_name_without_an_address(
    ask: Ask, reach: Reach, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert reason_of(ask("http://hub.example/x", reach)) == "the host 'hub.example' has no address"


@ways
@reaches
def test_a_host_that_refuses(ask: Ask, reach: Reach, names: Names) -> None:
    with nobody() as place:
        assert reason_of(ask(f"http://{place}/x", reach)) == "the connection was refused"


@ways
@reaches
def test_a_silent_server(ask: Ask, reach: Reach, names: Names) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = ask(f"http://127.0.0.1:{silent.getsockname()[1]}/x", reach)
    assert reason_of(error) == "no answer came in time"


@ways
def test_a_proxy_without_an_address(
    ask: Ask, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    assert reason_of(ask("http://hub.example/x", ANYWHERE)) == (
        "the proxy 'proxy.example' has no address"
    )


def test_a_line_that_is_cut_ends_no_sentence(server: FileServer) -> None:
    def cut(_: object) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionError

    server.routes["/x"] = cut
    assert reason_of(asked_here(f"{server.url}/x", ANYWHERE)) == (
        "Server disconnected without sending a response"
    )


def test_anything_else_is_told_as_it_is() -> None:
    assert reason_of(OSError(101, "Network is unreachable")) == "Network is unreachable"
    assert reason_of(httpx2.UnsupportedProtocol("no such protocol.")) == "no such protocol"
    assert reason_of(ValueError()) == "ValueError"
