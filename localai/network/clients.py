"""HTTP clients that keep to a reach, at the one place where it counts: the connection.

Each name is looked up once, its addresses are checked, and one of those very addresses is
connected to, so that neither a redirect nor a name with two meanings leads elsewhere. Importing
this module is slow; who needs it imports it when it is needed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from localai.network.addresses import resolve_host, resolve_host_here
from localai.network.reach import ANYWHERE, Reach
from localai.network.tls import USUAL, Certificates, context_for

_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20)
_NONE_KEPT = httpx2.Limits(max_keepalive_connections=0)
_PORTS = {"http": 80, "https": 443}


def client(reach: Reach, certificates: Certificates = USUAL, **options: Any) -> httpx2.Client:
    """Return a client with httpx2's `options` that connects to nothing outside of `reach`.

    Raises ConfigError for `certificates` that cannot be read.
    """
    verify = context_for(certificates)
    if certificates.elsewhere != certificates:
        own = Transport(reach, verify)
        others = Transport(reach, context_for(certificates.elsewhere))
        return httpx2.Client(transport=_ByOrigin(certificates.origin, own, others), **options)
    if not reach.public_only:
        return httpx2.Client(verify=verify, **options)
    return httpx2.Client(transport=Transport(reach, verify), **options)


def async_client(
    reach: Reach,
    certificates: Certificates = USUAL,
    limits: httpx2.Limits = _LIMITS,
    **options: Any,
) -> httpx2.AsyncClient:
    """Return the same for an event loop."""
    verify = context_for(certificates)
    if certificates.elsewhere != certificates:
        usual = context_for(certificates.elsewhere)
        own = AsyncTransport(reach, verify=verify, limits=limits)
        others = AsyncTransport(reach, verify=usual, limits=limits)
        by_origin = _AsyncByOrigin(certificates.origin, own, others)
        return httpx2.AsyncClient(transport=by_origin, **options)
    if not reach.public_only:
        return httpx2.AsyncClient(limits=limits, verify=verify, **options)
    transport = AsyncTransport(reach, verify=verify, limits=limits)
    return httpx2.AsyncClient(transport=transport, **options)


def origin_of(url: httpx2.URL) -> tuple[str, str, int]:
    """Return the scheme, host and port that credentials and certificates are for."""
    return url.scheme, url.host, _port(url)


def proxy_for(url: httpx2.URL) -> str | None:
    """Return the proxy that the operator's environment names for `url`."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class Transport(httpx2.BaseTransport):
    """Sends requests within a reach; where there is a proxy, that one looks names up."""

    def __init__(
        self, reach: Reach, verify: ssl.SSLContext, limits: httpx2.Limits = _LIMITS
    ) -> None:
        self._reach = reach
        self._verify = verify
        self._limits = limits
        self._pool = httpcore2.ConnectionPool(
            ssl_context=verify,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(reach),
        )
        self._proxied: dict[str, httpx2.HTTPTransport] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if (proxy := proxy_for(request.url)) is not None:
            self._reach.check_name(request.url.host, _port(request.url))
            return self._through(proxy).handle_request(request)
        with _told_as_httpx2():
            answer = self._pool.handle_request(_core(request))
        return _response(answer, _Body(answer.stream))

    def close(self) -> None:
        self._pool.close()
        for transport in self._proxied.values():
            transport.close()

    def _through(self, proxy: str) -> httpx2.HTTPTransport:
        if proxy not in self._proxied:
            self._proxied[proxy] = httpx2.HTTPTransport(
                verify=self._verify, proxy=proxy, limits=self._limits
            )
        return self._proxied[proxy]


class AsyncTransport(httpx2.AsyncBaseTransport):
    """The same for an event loop; `proxies` tells whether the environment's are used."""

    def __init__(
        self,
        reach: Reach,
        *,
        verify: ssl.SSLContext,
        limits: httpx2.Limits = _LIMITS,
        proxies: bool = True,
    ) -> None:
        self._reach = reach
        self._verify = verify
        self._limits = limits
        self._uses_proxies = proxies
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._verify,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncBackend(reach),
        )
        self._proxied: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        proxy = proxy_for(request.url) if self._uses_proxies else None
        if proxy is not None:
            self._reach.check_name(request.url.host, _port(request.url))
            return await self._through(proxy).handle_async_request(request)
        with _told_as_httpx2():
            answer = await self._pool.handle_async_request(_core(request))
        return _response(answer, _AsyncBody(answer.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()
        for transport in self._proxied.values():
            await transport.aclose()

    def _through(self, proxy: str) -> httpx2.AsyncHTTPTransport:
        if proxy not in self._proxied:
            self._proxied[proxy] = httpx2.AsyncHTTPTransport(
                verify=self._verify, proxy=proxy, limits=self._limits
            )
        return self._proxied[proxy]


class _ByOrigin(httpx2.BaseTransport):
    """Sends by `own` what goes to one origin, and by `others` what is led away from it."""

    def __init__(self, origin: str, own: Transport, others: Transport) -> None:
        self._origin = origin_of(httpx2.URL(origin))
        self._own = own
        self._others = others

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        is_own = origin_of(request.url) == self._origin
        return (self._own if is_own else self._others).handle_request(request)

    def close(self) -> None:
        self._own.close()
        self._others.close()


class _AsyncByOrigin(httpx2.AsyncBaseTransport):
    """The same for an event loop."""

    def __init__(self, origin: str, own: AsyncTransport, others: AsyncTransport) -> None:
        self._origin = origin_of(httpx2.URL(origin))
        self._own = own
        self._others = others

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        is_own = origin_of(request.url) == self._origin
        return await (self._own if is_own else self._others).handle_async_request(request)

    async def aclose(self) -> None:
        await self._own.aclose()
        await self._others.aclose()


class Momentary(httpx2.BaseTransport):
    """Sends each request on a connection of its own, by the certificates that count then.

    For clients that live on: files and settings of certificates change meanwhile.
    """

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return Transport(ANYWHERE, context_for(), _NONE_KEPT).handle_request(request)


class _Backend(httpcore2.NetworkBackend):
    """Opens connections to checked addresses."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, *args: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        try:
            addresses = resolve_host_here(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(_nowhere(host)) from error
        self._reach.check(host, port, addresses)
        failed: Exception = httpcore2.ConnectError(_nowhere(host))
        for address in addresses:
            try:
                return self._inner.connect_tcp(str(address), port, *args, **options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


class _AsyncBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses, in an event loop of asyncio."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as inherited
        *args: Any,
        **options: Any,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await asyncio.wait_for(resolve_host(host, port), timeout)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"'{host}' was not found in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(_nowhere(host)) from error
        self._reach.check(host, port, addresses)
        failed: Exception = httpcore2.ConnectError(_nowhere(host))
        for address in addresses:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, *args, **options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _told_as_httpx2():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told_as_httpx2():
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _core(request: httpx2.Request) -> httpcore2.Request:
    url = httpcore2.URL(
        scheme=request.url.raw_scheme,
        host=request.url.raw_host,
        port=request.url.port,
        target=request.url.raw_path,
    )
    return httpcore2.Request(
        request.method,
        url,
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _response(answer: httpcore2.Response, body: _Body | _AsyncBody) -> httpx2.Response:
    return httpx2.Response(
        answer.status, headers=answer.headers, stream=body, extensions=answer.extensions
    )


@contextmanager
def _told_as_httpx2() -> Iterator[None]:
    """Turn the errors of httpcore2 into those of httpx2, which have the same names."""
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error


def _nowhere(host: str) -> str:
    return f"the host '{host}' has no address"


def _port(url: httpx2.URL) -> int:
    return url.port or _PORTS.get(url.scheme, 0)
