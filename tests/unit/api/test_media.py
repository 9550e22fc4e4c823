from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2
import pytest
import pytest_asyncio

from localai.api.media import Media, fetch_media, media_type_of
from localai.errors import InvalidRequest
from localai.network import clients, reach, tls
from localai.network.addresses import Address
from localai.settings import Settings
from tests.unit.api.picture_server import PNG, PictureServer

PRIVATE = Settings(allow_private_media=True, media_timeout=30, max_media_mib=2**-6)
PARAM = "messages[0].content[1].image_url.url"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[PictureServer]:
    async with PictureServer() as server:
        yield server


async def fetch(url: str, settings: Settings = PRIVATE) -> Media:
    return await fetch_media(settings, url, param=PARAM, kind="image")


async def refusal(url: str, settings: Settings = PRIVATE) -> str:
    with pytest.raises(InvalidRequest) as raised:
        await fetch(url, settings)
    assert raised.value.param == PARAM
    return raised.value.message


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x03", "audio/mpeg"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_type(content: bytes, kind: str | None) -> None:
    assert media_type_of(content) == kind


async def test_an_address_is_fetched(server: PictureServer) -> None:
    url = server.says("/cat.txt", PNG, "200 OK", "content-type: text/plain")
    assert await fetch(url) == Media(PNG, "image/png")
    assert f"host: 127.0.0.1:{server.port}" in server.heads[0].lower()
    assert "authorization" not in server.heads[0].lower()


async def test_a_redirect_is_followed(server: PictureServer) -> None:
    server.says("/real", PNG)
    url = server.says("/old", b"", "302 Found", "location: /real")
    assert (await fetch(url)).content == PNG


async def test_private_addresses_are_refused_unless_allowed(server: PictureServer) -> None:
    url = server.says("/cat", PNG)
    said = await refusal(url, Settings())
    assert "not an address of the public internet" in said
    assert "LOCALAI_ALLOW_PRIVATE_MEDIA" in said
    assert server.heads == []


async def test_each_redirect_is_checked_again(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public host that redirects to this machine: only its first answer is read."""
    url = server.says("/old", b"", "302 Found", f"location: http://inside.test:{server.port}/real")
    server.says("/real", PNG)
    monkeypatch.setattr(reach, "is_public", lambda a: a != ip_address("127.0.0.2"))
    monkeypatch.setattr(clients, "resolve_host", _names({"inside.test": "127.0.0.2"}))
    assert "'inside.test' is not an address" in await refusal(url, Settings())
    assert len(server.heads) == 1


async def test_the_checked_address_is_the_one_that_is_called(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another address the second time gets no second time."""
    server.says("/cat", PNG)
    asked: list[str] = []
    monkeypatch.setattr(reach, "is_public", lambda a: True)
    monkeypatch.setattr(clients, "resolve_host", _names({"twofaced.test": "127.0.0.1"}, asked))
    media = await fetch(f"http://twofaced.test:{server.port}/cat", Settings())
    assert media.content == PNG
    assert asked == ["twofaced.test"]
    assert f"host: twofaced.test:{server.port}" in server.heads[0].lower()


async def test_the_name_that_is_looked_up_is_the_one_that_is_asked_for(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two generations of IDNA spell some names differently, so that they are two hosts."""
    server.says("/cat", PNG)
    asked: list[str] = []
    monkeypatch.setattr(clients, "resolve_host", _names({}, asked))
    await fetch(f"http://straße.test:{server.port}/cat")
    assert asked == ["xn--strae-oqa.test"]
    assert f"host: {asked[0]}:{server.port}" in server.heads[0].lower()


async def test_certificates_are_loaded_once_and_not_in_the_loop(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, build = server.says("/cat", PNG), httpcore2.default_ssl_context
    threads: list[threading.Thread] = []

    def watched(*args: Any, **options: Any) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return build(*args, **options)

    monkeypatch.setattr(httpcore2, "default_ssl_context", watched)
    tls._built.cache_clear()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    await asyncio.gather(*(fetch(url) for _ in range(3)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_certificates_that_cannot_be_read_are_a_refusal(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/company.pem")
    said = await refusal(server.says("/cat", PNG))
    assert "could not be fetched: /nowhere/company.pem, which the environment names" in said
    assert said.endswith("Mend or remove it.")


async def test_no_client_is_made_for_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx2, "AsyncClient", None)
    await refusal("ftp://example.com/cat.png", Settings())


async def test_a_proxy_of_the_environment_is_not_asked(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look the name up once more, past the check."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await fetch(server.says("/cat", PNG))).content == PNG


def _names(table: dict[str, str], asked: list[str] | None = None):  # type: ignore[no-untyped-def]
    async def resolve(host: str, port: int) -> list[Address]:
        if asked is not None:
            asked.append(host)
        return [ip_address(table.get(host, "127.0.0.1"))]

    return resolve


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com/cat.png", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("cat.png", "only http and https"),
        ("http://", "names no host"),
        ("http://no-such-host.invalid/cat.png", "has no address"),
        ("http://[::1/cat", "could not be fetched"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,%%%", "not valid base64"),
        ("data:image/png;base64,aGVsbG8=", "is not a picture but data that begins with b'hello'"),
        ("data:audio/wav;base64," + base64.b64encode(b"RIFF0000WAVE").decode(), "but audio/wav"),
    ],
)
async def test_what_is_no_picture_is_refused(url: str, said: str) -> None:
    assert said in await refusal(url)


async def test_a_page_is_no_picture_whatever_it_says(server: PictureServer) -> None:
    url = server.says("/cat.png", b"<!doctype html>", "200 OK", "content-type: image/png")
    assert "is not a picture but data that begins with b'<!doctype html>'" in await refusal(url)


async def test_an_error_of_the_server_is_told(server: PictureServer) -> None:
    assert "the server answered 404" in await refusal(server.says("/cat", b"", "404 Not Found"))


async def test_too_much_is_refused(server: PictureServer) -> None:
    url = server.says("/cat", PNG + bytes(20_000))
    assert "larger than 0.015625 MiB" in await refusal(url)
    data = base64.b64encode(PNG + bytes(20_000)).decode()
    assert "larger than 0.015625 MiB" in await refusal(f"data:image/png;base64,{data}")


async def test_a_body_that_would_unpack_is_refused(server: PictureServer) -> None:
    url = server.says("/cat", PNG, "200 OK", "content-encoding: gzip")
    assert "compressed" in await refusal(url)


async def test_a_server_that_says_nothing_is_given_up(server: PictureServer) -> None:
    hasty = Settings(allow_private_media=True, media_timeout=0.2)
    assert "longer than 0.2 s" in await refusal(f"{server.url}/silence", hasty)


async def test_redirects_have_an_end(server: PictureServer) -> None:
    url = server.says("/round", b"", "302 Found", "location: /round")
    assert "redirected more than 5 times" in await refusal(url)
    assert len(server.heads) == 6


async def test_data_uris_in_either_form() -> None:
    encoded = base64.b64encode(PNG).decode()
    wrapped = "\n".join(encoded[i : i + 20] for i in range(0, len(encoded), 20))
    for url in (f"data:image/png;base64,{encoded}", f"DATA:;base64,{wrapped}"):
        assert (await fetch(url)).content == PNG
    assert (await fetch("data:image/gif,GIF89a%00%01")).content == b"GIF89a\0\1"
