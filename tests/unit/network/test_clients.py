"""What a client may connect to: real sockets, of which some count as private."""

from __future__ import annotations

import httpx2
import pytest

from localai.network.clients import async_client, client
from localai.network.reach import ANYWHERE, PrivateHost, Reach
from tests.unit.network.names import PRIVATE, PUBLIC, Names
from tests.unit.store.file_server import FileServer, serve_files

CONFINED = Reach(public_only=True, setting="LOCALAI_ALLOW_X")


def port_of(server: FileServer) -> int:
    return int(server.url.rpartition(":")[2])


async def get(url: str, reach: Reach = CONFINED) -> bytes:
    """Ask with both kinds of client, which answer alike."""
    with client(reach, follow_redirects=True, timeout=5) as asking:
        answered: bytes | Exception
        try:
            answered = asking.get(url).content
        except (PrivateHost, httpx2.HTTPError) as error:
            answered = error
    async with async_client(reach, follow_redirects=True, timeout=5) as asking_too:
        if isinstance(answered, Exception):
            with pytest.raises(type(answered)):
                await asking_too.get(url)
            raise answered
        assert (await asking_too.get(url)).content == answered
    return answered


async def refused(url: str, reach: Reach = CONFINED) -> str:
    with pytest.raises(PrivateHost) as raised:
        await get(url, reach)
    assert raised.value.status == 403
    assert "LOCALAI_ALLOW_X=true" in raised.value.message
    return raised.value.host


@pytest.mark.parametrize("host", [PUBLIC, "localhost", "2130706433", "0x7f.1"])
async def test_this_machine_is_not_connected_to(server: FileServer, host: str) -> None:
    """Without any help of the tests: the loopback is private."""
    server.put("/secret", b"secret")
    assert await refused(f"http://{host}:{port_of(server)}/secret") == host
    assert server.asked == []


async def test_a_public_host_is_asked_by_its_name(server: FileServer, names: Names) -> None:
    names.table["models.test"] = [PUBLIC]
    server.put("/m", b"model")
    assert await get(f"http://models.test:{port_of(server)}/m") == b"model"
    assert server.asked[0].headers["host"] == f"models.test:{port_of(server)}"


async def test_a_redirect_to_a_private_host_is_refused(server: FileServer, names: Names) -> None:
    names.table = {"models.test": [PUBLIC], "inside.test": [PRIVATE]}
    with serve_files(PRIVATE) as inside:
        inside.put("/secret", b"secret")
        server.redirects["/m"] = f"http://inside.test:{port_of(inside)}/secret"
        assert await refused(f"http://models.test:{port_of(server)}/m") == "inside.test"
        assert inside.asked == []


async def test_a_name_with_two_meanings_is_looked_up_once(server: FileServer, names: Names) -> None:
    server.put("/m", b"model")
    with client(CONFINED) as asking:
        names.table["twofaced.test"] = [PUBLIC, PRIVATE]
        url = f"http://twofaced.test:{port_of(server)}/m"
        assert asking.get(url).content == b"model"
        assert names.asked == ["twofaced.test"]
    async with async_client(CONFINED) as asking_too:
        names.table["twofaced.test"] = [PUBLIC, PRIVATE]
        assert (await asking_too.get(url)).content == b"model"
        assert names.asked == ["twofaced.test"] * 2
    assert await refused(url) == "twofaced.test"


async def test_what_the_operator_named_may_be_anywhere(server: FileServer) -> None:
    url = server.put("/m", b"model")
    assert await get(url, CONFINED.with_own(server.url)) == b"model"
    with serve_files() as other:
        # The same host, but nobody spoke of that port.
        assert await refused(url, CONFINED.with_own(other.url)) == PUBLIC


async def test_without_confinement_everything_is_asked(server: FileServer) -> None:
    assert await get(server.put("/m", b"model"), ANYWHERE) == b"model"


async def test_a_proxy_looks_names_up_and_gets_no_private_address(
    server: FileServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file server plays the proxy: it is asked for whole addresses."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "near.test")
    server.put("/m", b"model")
    assert await get("http://only-the-proxy-knows.test/m") == b"model"
    assert server.asked[0].path == "http://only-the-proxy-knows.test/m"
    asked = len(server.asked)
    for host in ("169.254.169.254", "localhost", "a.localhost", "0x7f.2", "[::1]", PRIVATE):
        await refused(f"http://{host}/m")
    names.table["near.test"] = [PRIVATE]
    assert await refused(f"http://near.test:{port_of(server)}/m") == "near.test"
    assert len(server.asked) == asked


async def test_failures_are_those_of_httpx2(server: FileServer, names: Names) -> None:
    names.table["models.test"] = [PUBLIC]
    with pytest.raises(httpx2.ConnectError):
        await get("http://models.test:9/m")
    with pytest.raises(httpx2.ConnectError, match="has no address"):
        await get("http://no-such-host.invalid/m")

    def cut(_: object) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionResetError

    server.routes["/cut"] = cut
    with pytest.raises(httpx2.RemoteProtocolError):
        await get(f"http://models.test:{port_of(server)}/cut")
    with pytest.raises(httpx2.UnsupportedProtocol):
        await get("ftp://models.test/m")
