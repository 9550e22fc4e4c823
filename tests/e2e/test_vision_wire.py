"""Pictures and recordings on their way through the gateway, with echo as the model."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest

from tests.gateways import RunningGateway

PNG = b"\x89PNG\r\n\x1a\n" + bytes(92)
WAV = b"RIFF\0\0\0\0WAVEfmt "


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/cat.png"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(PNG if found else b"nothing here")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
        pass


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pictures)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def open_client(open_gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """A client of the gateway that may fetch from this machine."""
    with openai.OpenAI(base_url=f"{open_gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def ask(client: openai.OpenAI, *parts: Any, model: str = "echo") -> str:
    content: list[Any] = [{"type": "text", "text": "Look:"}, *parts]
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}]
    )
    return answer.choices[0].message.content or ""


def picture(url: str, **fields: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def recording(content: bytes) -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def refusal(client: openai.OpenAI, *parts: Any, model: str = "echo") -> dict[str, Any]:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, *parts, model=model)
    assert isinstance(raised.value.body, dict)
    return raised.value.body


def test_a_data_uri_reaches_the_model(client: openai.OpenAI) -> None:
    assert ask(client, picture(data_uri(PNG))) == "Look: [image/png:100]"


def test_the_type_is_told_by_the_bytes(client: openai.OpenAI) -> None:
    assert ask(client, picture(data_uri(PNG, "image/jpeg"))) == "Look: [image/png:100]"


def test_detail_reaches_the_model(client: openai.OpenAI) -> None:
    assert ask(client, picture(data_uri(PNG), detail="low")) == "Look: [image/png:100:low]"


def test_several_pictures_keep_their_order(client: openai.OpenAI) -> None:
    more = PNG + bytes(11)
    said = ask(client, picture(data_uri(PNG)), picture(data_uri(more)), recording(WAV))
    assert said == "Look: [image/png:100] [image/png:111] [audio:16]"


def test_an_address_alone_is_taken_too(client: openai.OpenAI) -> None:
    part = {"type": "image_url", "image_url": data_uri(PNG)}
    assert ask(client, part) == "Look: [image/png:100]"


def test_an_address_is_fetched(open_client: openai.OpenAI, pictures: str) -> None:
    assert ask(open_client, picture(f"{pictures}/cat.png")) == "Look: [image/png:100]"


def test_an_address_of_this_machine_is_refused(client: openai.OpenAI, pictures: str) -> None:
    error = refusal(client, picture(f"{pictures}/cat.png"))
    assert error["param"] == "messages[0].content[1].image_url.url"
    assert error["code"] == "media_not_fetched"
    assert "not an address of the public internet" in error["message"]


def test_a_fetch_that_fails_says_why(open_client: openai.OpenAI, pictures: str) -> None:
    error = refusal(open_client, picture(f"{pictures}/dog.png"))
    assert "the server answered 404" in error["message"]


def test_the_path_of_a_worker_cannot_be_reached(client: openai.OpenAI) -> None:
    assert "only http and https" in refusal(client, picture("file:///etc/passwd"))["message"]


def test_a_broken_recording_is_refused(client: openai.OpenAI) -> None:
    error = refusal(client, recording(b"no audio at all"))
    assert error["param"] == "messages[0].content[1].input_audio.data"


def test_a_model_without_eyes_is_refused_with_one_that_sees(
    client: openai.OpenAI, gateway: RunningGateway
) -> None:
    error = refusal(client, picture(data_uri(PNG)), model="blind")
    assert error["code"] == "unsupported_capability"
    assert error["param"] == "model"
    assert "The model 'blind' cannot do 'vision'. Use '" in error["message"]


def test_the_usual_request_with_curl(open_gateway: RunningGateway, pictures: str) -> None:
    """With the name that people write, an address, and `temperature` inside the message."""
    body = {
        "model": "gpt-4-vision-preview",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in the image?"},
                    {"type": "image_url", "image_url": {"url": f"{pictures}/cat.png"}},
                ],
                "temperature": 0.9,
            }
        ],
    }
    url = f"{open_gateway.url}/v1/chat/completions"
    command = ["curl", "-si", url, "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    head, _, answer = subprocess.check_output(command, text=True).partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert "x-localai-ignored: messages[0].temperature" in head
    said = json.loads(answer)["choices"][0]["message"]["content"]
    assert said == "What is in the image? [image/png:100]"
