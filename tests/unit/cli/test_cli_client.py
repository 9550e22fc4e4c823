from __future__ import annotations

import json
from collections.abc import Callable

import click
import pytest

from localai.cli.client import (
    Gateway,
    GatewayRefused,
    GatewayUnreachable,
    model_path,
    read_answer,
    url_option,
)
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway, error, sse
from tests.unit.store.file_server import nobody

MODEL = {
    "id": "qwen",
    "object": "model",
    "backend": "llama_cpp",
    "capabilities": ["chat", "completion"],
    "aliases": ["a", "b", "c", "d", "e"],
    "default_for": ["chat"],
    "description": "A model",
    "state": "ready",
}
BROKEN = {"path": "/m/bad.yaml", "line": 3, "message": "unknown key 'x'.", "card": None}
WORKER = {
    "model": "qwen",
    "state": "ready",
    "pid": 42,
    "running": 1,
    "waiting": 2,
    "idle_seconds": None,
    "expires_in": 299.6,
    "memory_bytes": 3 << 30,
    "error": None,
}


# --- the client ---


def test_no_gateway_is_one_sentence_with_the_way_out(localai: Callable[..., Ended]) -> None:
    with nobody() as place:
        url = f"http://{place}"
        ended = localai("ps", "--url", url)

    assert ended.code == 1
    assert ended.err == (
        f"Error: No gateway answers at {url}: start one with `localai run`, "
        "or name another with --url.\n"
    )


def test_an_address_may_end_in_v1(gateway: FakeGateway) -> None:
    gateway.answer_json("GET", "/v1/models", {"data": []})

    assert Gateway(f"{gateway.url}/v1/").get("/v1/models") == {"data": []}


def test_the_scheme_of_the_address_may_be_in_capitals(gateway: FakeGateway) -> None:
    gateway.answer_json("GET", "/v1/models", {"data": []})
    url = gateway.url.replace("http://", "HTTP://")
    assert Gateway(url).get("/v1/models") == {"data": []}


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"HOST": "0.0.0.0", "PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"HOST": "::"}, "http://[::1]:8080"),
        ({"HOST": "192.0.2.7"}, "http://192.0.2.7:8080"),
        ({"PORT": "0"}, "http://127.0.0.1:8080"),
        ({"PORT": "many"}, "http://127.0.0.1:8080"),
        ({"PORT": "9001", "SOCKET": "/run/x.sock"}, "unix:///run/x.sock"),
        ({"PORT": "9001", "URL": "http://box"}, "http://box"),
    ],
)
def test_the_gateway_is_where_its_own_variables_put_it(
    variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LOCALAI_{name}", value)
    seen: list[str] = []

    @click.command()
    @url_option
    def command(url: str) -> None:
        seen.append(url)

    command.main([], standalone_mode=False)
    assert seen == [url]


@pytest.mark.parametrize("name", ["LOCALAI_API_KEY", "OPENAI_API_KEY"])
def test_the_key_of_the_environment_is_sent(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    gateway.answer_json("GET", "/x", {})
    Gateway(gateway.url).get("/x")
    monkeypatch.setenv(name, "secret")
    Gateway(gateway.url).get("/x")

    keys = [call.headers.get("authorization") for call in gateway.calls]
    assert keys == [None, "Bearer secret"]


def test_errors_of_the_gateway_keep_their_sentence(gateway: FakeGateway) -> None:
    gateway.answer_json("GET", "/x", error("There is no model 'x'."), status=404)

    with pytest.raises(GatewayRefused, match=r"^There is no model 'x'\.$"):
        Gateway(gateway.url).get("/x")


def test_answers_of_something_else_are_refused(gateway: FakeGateway) -> None:
    gateway.answer("GET", "/page", Answer(body=b"<html>"))
    gateway.answer("GET", "/bad", Answer(502, b"Bad Gateway"))

    with pytest.raises(GatewayRefused, match="does not answer like a LocalAI gateway"):
        Gateway(gateway.url).get("/page")
    with pytest.raises(GatewayRefused, match="answered 502: Bad Gateway"):
        Gateway(gateway.url).get("/bad")


def test_an_address_that_is_none_is_an_error() -> None:
    with pytest.raises(GatewayUnreachable):
        Gateway("http://[").get("/x")


def test_names_with_slashes_stay_one_part_of_the_path() -> None:
    assert model_path("org/name:Q4") == "org%2Fname%3AQ4"


# --- streams ---


def lines(*frames: object) -> list[str]:
    return [f"data: {frame if isinstance(frame, str) else json.dumps(frame)}" for frame in frames]


def delta(text: str | None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}}]}


def test_a_stream_is_its_text() -> None:
    frames = lines(delta(""), delta("Hel"), delta("lo"), {"choices": []}, delta(None), "[DONE]")

    assert list(read_answer([": ping", "", "event: x", *frames])) == ["Hel", "lo"]


def test_an_error_frame_ends_the_stream_with_its_sentence() -> None:
    answer = read_answer(lines(delta("a"), error("The worker crashed.")))

    assert next(answer) == "a"
    with pytest.raises(GatewayRefused, match="The worker crashed"):
        next(answer)


def test_a_stream_without_its_end_is_an_error() -> None:
    with pytest.raises(GatewayRefused, match="broke off"):
        list(read_answer(lines(delta("a"))))


def test_a_frame_that_is_no_json_is_an_error() -> None:
    with pytest.raises(GatewayRefused, match="no JSON object: oops"):
        list(read_answer(lines("oops")))


def test_leaving_a_stream_closes_its_connection(gateway: FakeGateway) -> None:
    answer = Answer(body=sse("a", end=""), hangs=True)
    gateway.answer("POST", "/v1/chat/completions", answer)
    stream = Gateway(gateway.url).stream_chat({"messages": []})

    assert next(stream) == "a"
    stream.close()
    assert gateway.client_left.wait(10)


# --- the commands ---


def test_models_are_a_table_with_the_broken_cards_below(
    gateway: FakeGateway, localai: Callable[..., Ended]
) -> None:
    answer = {"object": "list", "data": [MODEL], "errors": [BROKEN]}
    gateway.answer_json("GET", "/v1/models?view=admin", answer)
    ended = localai("models", "list")

    assert ended.code == 0
    heading, row = ended.out.splitlines()
    assert heading == "NAME   BACKEND     CAPABILITIES       DEFAULT FOR   ALIASES      STATE"
    assert row == "qwen   llama_cpp   chat, completion   chat          a, b, c +2   ready"
    assert ended.err == "broken: /m/bad.yaml:3: unknown key 'x'.\n"
    assert json.loads(localai("models", "list", "--json").out) == answer


def test_a_model_is_shown_in_full(gateway: FakeGateway, localai: Callable[..., Ended]) -> None:
    gateway.answer_json("GET", "/v1/models/org%2Fqwen?view=admin", MODEL)
    ended = localai("models", "show", "org/qwen")

    assert ended.out.splitlines()[0] == "qwen"
    assert "  aliases: a, b, c, d, e" in ended.out
    assert "  description: A model" in ended.out
    assert json.loads(localai("models", "show", "org/qwen", "--json").out) == MODEL


def test_a_model_that_is_not_here_says_who_answers(
    gateway: FakeGateway, localai: Callable[..., Ended]
) -> None:
    missing = MODEL | {"is_here": False, "fallback": "starter-chat"}
    gateway.answer_json("GET", "/v1/models?view=admin", {"object": "list", "data": [missing]})
    gateway.answer_json("GET", "/v1/models/qwen?view=admin", missing)
    told = "not here yet, starter-chat answers"

    assert localai("models", "list").out.splitlines()[1].endswith(told)
    assert f"  files: {told}" in localai("models", "show", "qwen").out


def test_workers_are_a_table(gateway: FakeGateway, localai: Callable[..., Ended]) -> None:
    failed = {"model": "bad", "state": "failed", "error": "the file is damaged"}
    gateway.answer_json("GET", "/admin/workers", {"data": [WORKER, failed]})
    ended = localai("ps")

    row = " ".join(ended.out.splitlines()[1].split())
    assert row == "qwen ready 42 1 2 3.2 GB - 5m"
    assert ended.err == "bad: the file is damaged\n"


def test_no_workers_is_only_the_heading(
    gateway: FakeGateway, localai: Callable[..., Ended]
) -> None:
    gateway.answer_json("GET", "/admin/workers", {"data": []})

    assert localai("ps").out.splitlines()[0].startswith("MODEL")


@pytest.mark.parametrize(("stopped", "text"), [(True, "is unloaded"), (False, "was not loaded")])
def test_stop_says_what_happened(
    gateway: FakeGateway, localai: Callable[..., Ended], stopped: bool, text: str
) -> None:
    answer = {"model": "org/qwen", "stopped": stopped}
    gateway.answer_json("DELETE", "/admin/workers/org%2Fqwen", answer)

    assert localai("stop", "org/qwen").out == f"org/qwen {text}.\n"
