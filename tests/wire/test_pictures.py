"""Pictures and files as programs send them: what is not looked at is refused or named."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.echo_gateway import echo_gateway
from tests.gateways import RunningGateway
from tests.wire.raw import post

_FILE = io.BytesIO()
Image.new("RGB", (16, 16), "white").save(_FILE, "PNG")
PHOTO = _FILE.getvalue()
URI = f"data:image/png;base64,{base64.b64encode(PHOTO).decode()}"
ASKED = {"model": "echo", "prompt": "x", "response_format": "b64_json"}
NO_PROMPT = {"model": "echo", "response_format": "b64_json"}


def send(
    gateway: RunningGateway, path: str, files: dict[str, bytes], fields: dict[str, Any]
) -> httpx2.Response:
    return gateway.http.post(f"/v1/images/{path}", files=files, data=fields)


@pytest.mark.parametrize(
    ("path", "files", "fields", "param"),
    [
        ("edits", {"init_image": PHOTO}, {}, "init_image"),
        ("edits", {"reference_image": PHOTO}, {}, "reference_image"),
        ("edits", {}, {"images": "data:image/png;base64,AAAA"}, "images"),
        ("edits", {}, {"images[0]": "x"}, "images"),
        ("variations", {"mask": PHOTO}, {}, "mask"),
        ("variations", {"init_image": PHOTO}, {}, "init_image"),
        ("variations", {}, {"images": "x"}, "images"),
    ],
)
def test_a_picture_that_nobody_would_look_at_is_refused(
    gateway: RunningGateway,
    path: str,
    files: dict[str, bytes],
    fields: dict[str, str],
    param: str,
) -> None:
    asked = ASKED if path == "edits" else NO_PROMPT
    answer = send(gateway, path, {"image": PHOTO} | files, asked | fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert send(gateway, path, {"image": PHOTO}, asked).status_code == 200


def test_unknown_fields_of_pictures_are_named(gateway: RunningGateway) -> None:
    answer = post(
        gateway, "/v1/images/edits", "content-type: application/json\r\n", **ASKED, zebra=1,
        images=[{"image_url": URI}, {"image_url": URI, "detail": "high", "foo": None}],
        mask={"image_url": URI, "bar": 1},
    )  # fmt: skip
    assert answer.status == 200, answer.text
    named = answer.headers["x-localai-ignored"].split(", ")
    assert set(named) == {"zebra", "images[1].detail", "images[1].foo", "mask.bar"}


def test_pictures_without_unknown_fields_have_none_named(gateway: RunningGateway) -> None:
    answer = post(
        gateway, "/v1/images/edits", "content-type: application/json\r\n", **ASKED,
        images=[{"image_url": URI}],
    )  # fmt: skip
    assert answer.status == 200, answer.text
    assert "x-localai-ignored" not in answer.headers


@pytest.mark.parametrize("beside", [[], [{"type": "image_url", "image_url": {"url": URI}}]])
def test_a_file_in_a_chat_is_refused_by_every_model(
    gateway: RunningGateway, beside: list[dict[str, Any]]
) -> None:
    parts = [{"type": "text", "text": "x"}, *beside, {"type": "file", "file": {"file_id": "f"}}]
    answer = post(gateway, "/v1/chat/completions", messages=[{"role": "user", "content": parts}])
    assert answer.status == 400
    assert answer.error()["code"] == "unsupported_parameter"
    assert answer.error()["param"] == f"messages[0].content[{len(parts) - 1}]"


@pytest.mark.parametrize("public", ["https://ai.example.com", "https://example.com/ai/"])
def test_behind_a_proxy_addresses_begin_as_the_settings_say(tmp_path: Path, public: str) -> None:
    with echo_gateway(tmp_path, public_url=public) as gateway:
        asked = {"model": "echo", "prompt": "x"}
        (picture,) = gateway.http.post("/v1/images/generations", json=asked).json()["data"]
        base = public.rstrip("/")
        assert picture["url"].startswith(f"{base}/generated/")
        assert gateway.http.get(picture["url"].removeprefix(base)).status_code == 200
