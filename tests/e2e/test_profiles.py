"""A profile on a machine that has none of its models: every name answers, and says who did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.gateways import RunningGateway
from tests.starter_calls import ALL_CALLS, RED_CIRCLE, about_picture, picture_uri

PATIENCE = 180.0
"""Seconds: the libraries of some engines take long to import on a busy machine."""
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "gpt-4": ("/v1/chat/completions", HELLO, "starter-chat"),
    "gpt-3.5-turbo": ("/v1/chat/completions", HELLO, "starter-chat"),
    "gpt-4o": (
        "/v1/chat/completions",
        {"messages": about_picture(picture_uri(RED_CIRCLE))},
        "starter-chat",
    ),
    "text-embedding-ada-002": ("/v1/embeddings", {"input": "king"}, "starter-embedding"),
}
FALLBACK_FOR = "x-localai-fallback-for"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("profile"), profile="cpu") as running:
        running.http.timeout = PATIENCE
        yield running


@pytest_asyncio.fixture
async def openai_client(gateway: RunningGateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", timeout=PATIENCE, max_retries=0
    ) as client:
        yield client


@pytest.mark.parametrize("kind", ALL_CALLS)
async def test_every_kind_of_call_is_answered_from_its_starter(
    openai_client: AsyncOpenAI, kind: str
) -> None:
    await ALL_CALLS[kind](openai_client)


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_in_anothers_place_says_so(gateway: RunningGateway, name: str) -> None:
    path, body, starter = CALLS[name]
    response = gateway.http.post(path, json={"model": name, **body})

    assert response.status_code == 200
    assert response.json()["model"] == starter
    card = gateway.http.get(f"/v1/models/{name}").json()["id"]
    assert response.headers[FALLBACK_FOR] == card


def test_pictures_and_speech_in_anothers_place_say_so(gateway: RunningGateway) -> None:
    spoken = gateway.http.post("/v1/audio/speech", json={"model": "tts-1", "input": "hello"})
    drawn = gateway.http.post(
        "/v1/images/generations", json={"model": "dall-e-3", "prompt": "a red circle"}
    )
    file = {"file": ("a.mp3", spoken.content)}
    heard = gateway.http.post("/v1/audio/transcriptions", files=file, data={"model": "whisper-1"})
    found = gateway.http.post("/v1/vad", json={"model": "silero-vad", "audio": [0.0] * 16000})

    responses = {
        "tts-1": spoken, "stablediffusion": drawn, "whisper-1": heard,
    }  # fmt: skip
    for name, response in responses.items():
        assert (response.status_code, response.headers[FALLBACK_FOR]) == (200, name)
    assert (found.status_code, found.headers[FALLBACK_FOR]) == (200, "whisper-1")


def test_vectors_of_another_model_are_told_once(gateway: RunningGateway) -> None:
    for _ in range(2):
        body = {"model": "text-embedding-ada-002", "input": "king"}
        answer = gateway.http.post("/v1/embeddings", json=body)
        assert answer.json()["model"] == "starter-embedding"
    assert gateway.log().count("are not comparable") == 1


def test_the_models_own_names_are_listed(gateway: RunningGateway) -> None:
    names = {model["id"] for model in gateway.http.get("/v1/models").json()["data"]}

    assert {"gpt-4", "gpt-4o", "text-embedding-ada-002", "whisper-1", "tts-1"} <= names
    assert "stablediffusion" in names


def test_auto_looks_at_the_machine_and_says_what_it_took(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with RunningGateway(tmp_path_factory.mktemp("auto"), profile="auto") as running:
        first = running.log().splitlines()[0]
        names = {model["id"] for model in running.http.get("/v1/models").json()["data"]}

    assert first.startswith("Profile ")
    assert "gpt-4" in names
