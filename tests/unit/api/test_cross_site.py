"""Whose requests may change something: everybody's but other sites' pages."""

from __future__ import annotations

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from localai.api.cross_site import OwnPagesOnly
from localai.protocol.asgi import json_response


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await json_response({})(scope, receive, send)


async def status(method: str, path: str, headers: dict[str, str], host: str = "box:8080") -> int:
    app = OwnPagesOnly(_app, "https://public.example/llm")
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return (await client.request(method, path, headers=headers)).status_code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "http://box:8080"}, 200),
        ({"origin": "http://BOX:8080", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "https://public.example"}, 200),
        ({"origin": "http://box:9090"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"origin": "http://box:8080", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_what_another_site_sends_is_refused(headers: dict[str, str], expected: int) -> None:
    assert await status("POST", "/models/apply", headers) == expected
    assert await status("DELETE", "/admin/workers/x", headers) == expected
    assert await status("GET", "/models/jobs", headers) == 200
    assert await status("POST", "/v1/chat/completions", headers) == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("box.lan", 200),
        ("public.example", 200),
        ("rebound.example:8080", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
async def test_a_strangers_name_for_this_machine_is_no_page_of_ours(
    host: str, expected: int
) -> None:
    assert await status("POST", "/models/apply", {"origin": f"http://{host}"}, host) == expected
    assert await status("POST", "/models/apply", {}, host) == 200


async def test_a_host_that_is_none_is_nobodys_page() -> None:
    headers = {"host": "[broken", "origin": "http://[broken"}

    assert await status("POST", "/models/apply", headers) == 403
