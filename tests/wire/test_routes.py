from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from localai import __version__
from tests.gateways import RunningGateway
from tests.wire.raw import ask, chat, connection, post, read_answer, request_bytes

MESSAGES = [{"role": "user", "content": "a b"}]


CALLS = ("localai_requests_total", 'model="echo"', "/chat/completions", 'status="200"')
TOKENS = ("localai_tokens_total", 'model="echo"', 'kind="completion"')


def series(gateway: RunningGateway, *parts: str) -> list[float]:
    """Return the values in `/metrics` of all series whose name has these parts."""
    answer = ask(gateway, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    pairs = [line.rsplit(" ", 1) for line in answer.text.splitlines()]
    return [float(value) for name, value in pairs if all(part in name for part in parts)]


def total(gateway: RunningGateway, *parts: str) -> float:
    return sum(series(gateway, *parts))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "/chat/completions/",
        "/v1/chat/completions?api-version=2024-01-01",
    ],
)
def test_chat_answers_under_all_its_paths(gateway: RunningGateway, path: str) -> None:
    answer = post(gateway, path, messages=MESSAGES)
    assert answer.json()["choices"][0]["message"]["content"] == "a b"


@pytest.mark.parametrize("path", ["/v1/completions", "/completions", "/v1/completions/"])
def test_completions_answer_under_all_their_paths(gateway: RunningGateway, path: str) -> None:
    assert post(gateway, path, prompt="a b").json()["choices"][0]["text"] == "a b"


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/", "/models/"])
def test_models_are_listed_under_all_their_paths(gateway: RunningGateway, path: str) -> None:
    answer = ask(gateway, "GET", path)
    models = {model["id"]: model for model in answer.json()["data"]}
    assert answer.json()["object"] == "list"
    assert {"echo", "org/name", "narrow"} <= set(models)
    assert models["echo"]["object"] == "model"
    assert isinstance(models["echo"]["created"], int)
    assert models["echo"]["owned_by"] == "localai"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/echo", "echo"),
        ("/v1/models/echo/", "echo"),
        ("/models/echo", "echo"),
        ("/v1/models/org%2Fname", "org/name"),
        ("/v1/models/org/name", "org/name"),
        ("/v1/models/org%2fname", "org/name"),
        ("/v1/models/gpt-4", "echo"),
        ("/v1/models/echo:latest", "echo"),
    ],
)
def test_a_model_is_shown(gateway: RunningGateway, path: str, name: str) -> None:
    answer = ask(gateway, "GET", path)
    assert (answer.status, answer.json()["id"]) == (200, name)


@pytest.mark.parametrize("model", ["echo", "gpt-4", "gpt-4o-mini", "echo:latest"])
def test_names_that_lead_to_the_same_model(gateway: RunningGateway, model: str) -> None:
    answer = chat(gateway, "a", model=model)
    assert (answer.status, answer.json()["model"]) == (200, "echo")


@pytest.mark.parametrize("fields", [{}, {"model": None}, {"model": ""}])
def test_without_a_model_the_default_answers(
    gateway: RunningGateway, fields: dict[str, Any]
) -> None:
    assert chat(gateway, "a", **fields).json()["model"] == "echo"
    assert post(gateway, "/v1/completions", prompt="a", **fields).json()["model"] == "echo"


def test_a_name_with_a_slash_can_be_called(gateway: RunningGateway) -> None:
    assert chat(gateway, "a", model="org/name").json()["model"] == "org/name"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_a_404_with_near_names(gateway: RunningGateway, stream: bool) -> None:
    answer = chat(gateway, "a", model="ekho", stream=stream)
    error = answer.error()
    assert answer.status == 404
    assert (error["type"], error["param"]) == ("invalid_request_error", "model")
    assert error["code"] == "model_not_found"
    assert "Did you mean 'echo'" in error["message"]


@pytest.mark.parametrize("name", ["ekho", "日本", "a b", "../../etc/passwd", "x" * 1000])
def test_an_unknown_model_is_not_shown(gateway: RunningGateway, name: str) -> None:
    answer = ask(gateway, "GET", f"/v1/models/{quote(name, safe='')}")
    assert (answer.status, answer.error()["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nowhere", "/docs", "/v2/chat/completions"])
def test_an_unknown_route_is_a_404_in_the_envelope(gateway: RunningGateway, path: str) -> None:
    answer = ask(gateway, "GET", path)
    assert (answer.status, answer.error()["code"]) == (404, "unknown_url")
    assert f"GET {path}" in answer.error()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("PUT", "/v1/models/echo", "GET"),
        ("POST", "/health", "GET"),
    ],
)
def test_a_wrong_method_is_a_405_in_the_envelope(
    gateway: RunningGateway, method: str, path: str, allowed: str
) -> None:
    answer = ask(gateway, method, path)
    assert (answer.status, answer.error()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/echo", "/health", "/v1/nowhere"])
def test_head_is_get_without_the_body(gateway: RunningGateway, path: str) -> None:
    with connection(gateway) as sock:
        sock.sendall(request_bytes("HEAD", path))
        head = read_answer(sock, has_body=False)
        sock.sendall(request_bytes("GET", path))
        get = read_answer(sock)
    assert head.status == get.status
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health(gateway: RunningGateway, path: str) -> None:
    assert ask(gateway, "GET", path).json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/ready", "/readyz"])
def test_readiness_counts_the_models(gateway: RunningGateway, path: str) -> None:
    answer = ask(gateway, "GET", path)
    listed = ask(gateway, "GET", "/v1/models").json()["data"]
    assert (answer.status, answer.json()) == (200, {"status": "ready", "models": len(listed)})


def test_galleries_are_listed(gateway: RunningGateway) -> None:
    (builtin,) = ask(gateway, "GET", "/models/galleries").json()
    assert builtin["name"] == "localai"
    assert builtin["url"].endswith("model-gallery/index.yaml")


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/models/import", "localai card import"),
        ("/models/import-uri", "POST /models/apply"),
        ("/models/reload", "by themselves"),
        ("/models/edit/echo", "view=admin"),
    ],
)
def test_a_route_of_localai_that_is_not_served_says_what_to_do(
    gateway: RunningGateway, path: str, instead: str
) -> None:
    answer = ask(gateway, "POST", path)
    assert (answer.status, answer.error()["code"]) == (404, "unknown_url")
    assert instead in answer.error()["message"]


def test_a_filter_is_on_or_off(gateway: RunningGateway) -> None:
    answer = ask(gateway, "GET", "/models/available?fits=maybe")
    assert (answer.status, answer.error()["param"]) == (400, "fits")
    listed = [ask(gateway, "GET", f"/models/available?fits={on}").json() for on in ("false", "1")]
    assert len(listed[0]) >= len(listed[1])


def test_version(gateway: RunningGateway) -> None:
    assert ask(gateway, "GET", "/version").json()["version"] == __version__


def test_metrics_count_calls_and_tokens(gateway: RunningGateway) -> None:
    chat(gateway, "a")
    calls, tokens = total(gateway, *CALLS), total(gateway, *TOKENS)
    chat(gateway, "one two three")
    chat(gateway, "one two three", stream=True)
    assert total(gateway, *CALLS) - calls == 2
    assert total(gateway, *TOKENS) - tokens == 6


def test_calls_under_both_spellings_of_a_path_are_counted_together(
    gateway: RunningGateway,
) -> None:
    post(gateway, "/chat/completions", messages=MESSAGES)
    post(gateway, "/v1/chat/completions", messages=MESSAGES)
    assert len(series(gateway, *CALLS)) == 1


def test_the_description_of_the_api_is_served(gateway: RunningGateway) -> None:
    schema = json.loads(ask(gateway, "GET", "/openapi.json").body)
    assert "/v1/chat/completions" in schema["paths"]


def test_card_defaults_fill_in_what_the_caller_left_out(gateway: RunningGateway) -> None:
    def reason(**fields: object) -> str:
        answer = chat(gateway, "one two three", model="brief", **fields)
        return str(answer.json()["choices"][0]["finish_reason"])

    assert reason() == "length"
    assert reason(max_tokens=None) == "length"
    assert reason(max_tokens=5) == "stop"
    assert reason(max_completion_tokens=5) == "stop"
