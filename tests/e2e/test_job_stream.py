"""The progress of a job as a stream, over real sockets: events, lines, cancel, and leaving."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gateways import RunningGateway, eventually
from tests.unit.store.file_server import Fault, FileServer, serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
CONTENT = b"GGUF" + bytes(3 << 20)
LONG = 60.0
NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture
def cdn() -> Iterator[FileServer]:
    """Hands out the model's file, and stops in its middle until it may go on."""
    with serve_files() as server:
        server.always = Fault(pause_at=1 << 20)
        yield server


@pytest.fixture
def gateway(tmp_path: Path, cdn: FileServer) -> Iterator[RunningGateway]:
    with serve_files() as server:
        Hub(server, cdn).put(REPO, {FILE: CONTENT})
        running = RunningGateway(tmp_path)
        running.environ = {
            "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0",
            "LOCALAI_ALLOW_PRIVATE_MODELS": "true",
        }  # fmt: skip
        running.add_card(
            "small", f"name: small\nbackend: llama_cpp\nmodel: hf://{REPO}/{FILE}\nfallback: echo\n"
        )
        with running:
            running.http.timeout = LONG
            yield running


def begin(gateway: RunningGateway) -> str:
    """Have the card's model fetched; return the job's id when some bytes are here."""
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
    gateway.http.post("/v1/chat/completions", json=body)
    number = str(next(iter(gateway.http.get("/models/jobs").json())))
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["current_bytes"], LONG)
    return number


def events_of(response: httpx2.Response) -> Iterator[Any]:
    """Yield what each `data:` line carries; comments are passed over, as clients do."""
    assert response.headers["content-type"].startswith("text/event-stream")
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            assert line.startswith("data: "), line
            text = line.removeprefix("data: ")
            yield text if text == "[DONE]" else json.loads(text)


def lines_of(response: httpx2.Response) -> Iterator[Any]:
    assert response.headers["content-type"] == "application/x-ndjson"
    for line in response.iter_lines():
        yield json.loads(line)


def test_events_tell_a_job_until_it_has_ended(gateway: RunningGateway, cdn: FileServer) -> None:
    number = begin(gateway)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events") as response:
        events = events_of(response)
        first = next(events)
        assert (first["id"], first["state"], first["file_name"]) == (number, "running", FILE)
        assert 0 < first["current_bytes"] < len(CONTENT)
        cdn.go_on.set()
        *_, last, end = events
    # No engine reads such a file, but fetched it is.
    assert (last["state"], last["current_bytes"], end) == ("done", len(CONTENT), "[DONE]")
    assert last == gateway.http.get(f"/models/jobs/{number}").json()


def test_lines_of_json_for_those_who_ask_for_them(gateway: RunningGateway, cdn: FileServer) -> None:
    number = begin(gateway)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events", headers=NDJSON) as response:
        lines = lines_of(response)
        assert next(lines)["state"] == "running"
        cdn.go_on.set()
        states = [line["state"] for line in lines]
    assert states[-1] == "done"
    assert set(states[:-1]) <= {"running"}


def test_a_cancel_in_mid_stream_is_the_last_event(gateway: RunningGateway) -> None:
    number = begin(gateway)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events", headers=NDJSON) as response:
        lines = lines_of(response)
        next(lines)
        assert gateway.http.delete(f"/models/jobs/{number}").status_code == 200
        *_, last = lines
    assert (last["state"], last["cancelled"], last["processed"]) == ("cancelled", True, True)


def test_a_client_that_leaves_cancels_nothing(gateway: RunningGateway, cdn: FileServer) -> None:
    number = begin(gateway)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events") as response:
        next(events_of(response))
    cdn.go_on.set()
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["processed"], LONG)
    assert gateway.http.get(f"/models/jobs/{number}").json()["state"] == "done"
    assert "Traceback" not in gateway.log()


def test_an_ended_job_is_one_event(gateway: RunningGateway, cdn: FileServer) -> None:
    cdn.go_on.set()
    number = begin(gateway)
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["processed"], LONG)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events") as response:
        assert [e if e == "[DONE]" else e["state"] for e in events_of(response)] == [
            "done", "[DONE]",
        ]  # fmt: skip
    assert gateway.http.get("/models/jobs/none/events").status_code == 404


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_an_installation_is_answered_with_its_events(
    gateway: RunningGateway, cdn: FileServer, headers: dict[str, str]
) -> None:
    body = {"url": f"hf://{REPO}/{FILE}", "name": "mine", "stream": True}
    read = lines_of if headers else events_of
    with gateway.http.stream("POST", "/models/apply", json=body, headers=headers) as response:
        told = read(response)
        first = next(told)
        assert first["status"].endswith(f"/models/jobs/{first['uuid']}")
        assert next(told)["id"] == first["uuid"]
        cdn.go_on.set()
        last = [one for one in told if one != "[DONE]"][-1]
    assert (last["id"], last["processed"]) == (first["uuid"], True)
    assert last["error_code"] == "invalid_card"  # these bytes are no model


def test_what_is_wrong_at_once_is_no_stream(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/models/apply", json={"id": "none", "stream": True})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "id")


def test_a_stream_does_not_keep_the_gateway_from_ending(gateway: RunningGateway) -> None:
    number = begin(gateway)
    with gateway.http.stream("GET", f"/models/jobs/{number}/events") as response:
        events = events_of(response)
        next(events)
        began = time.monotonic()
        gateway.process.terminate()
        *_, last = events
    assert last["error"]["code"] == "shutting_down"
    gateway.process.wait(LONG)
    # Calls that run are given 30 s to end.
    assert time.monotonic() - began < 20
