"""A card whose model is elsewhere: its fallback answers at once, and the model takes over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import Fault, FileServer, nobody, serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
REFERENCE = f"hf://{REPO}/{FILE}"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HELLO = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
FALLBACK_FOR = "x-localai-fallback-for"
LONG = 60.0


@pytest.fixture
def cdn() -> Iterator[FileServer]:
    with serve_files() as server:
        yield server


@pytest.fixture
def hub(cdn: FileServer) -> Iterator[Hub]:
    with serve_files() as server:
        hub = Hub(server, cdn)
        hub.put(REPO, {FILE: CONTENT})
        yield hub


def gateway_at(folder: Path, hub: Hub) -> RunningGateway:
    gateway = RunningGateway(folder)
    gateway.environ = {
        "HF_ENDPOINT": hub.server.url, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "0"
    }  # fmt: skip
    return gateway


def card(sha256: str = SHA256, fallback: str = "fallback: echo") -> str:
    return (
        f"name: small\nbackend: llama_cpp\nmodel: {REFERENCE}\n{fallback}\n"
        f"files: [{{path: {FILE}, uri: '{REFERENCE}', sha256: '{sha256}'}}]\n"
    )


def ask(gateway: RunningGateway) -> Any:
    return gateway.http.post("/v1/chat/completions", json={"model": "small", **HELLO}, timeout=LONG)


def jobs(gateway: RunningGateway) -> list[dict[str, Any]]:
    return list(gateway.http.get("/models/jobs").json().values())


def assert_fallbacks_answer(gateway: RunningGateway, names: Iterable[str]) -> None:
    for name in names:
        answer = gateway.http.post("/v1/chat/completions", json={"model": name, **HELLO})
        assert answer.headers[FALLBACK_FOR] == name


def job(gateway: RunningGateway) -> dict[str, Any]:
    return next(iter(gateway.http.get("/models/jobs").json().values()), {})


def test_fallback_answers_until_the_model_is_here(
    tmp_path: Path, hub: Hub, cdn: FileServer
) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        first = ask(gateway)
        assert (first.json()["model"], first.headers[FALLBACK_FOR]) == ("echo", "small")
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        seen = job(gateway)
        assert (seen["state"], seen["total_bytes"]) == ("running", len(CONTENT))
        assert 0 < seen["progress"] < 100
        ready = gateway.http.get("/ready", params={"full": "1"})
        assert (ready.status_code, ready.json()["fetching"]) == (503, {"small": seen["id"]})
        assert gateway.http.get("/ready").status_code == 200
        assert gateway.http.get("/v1/models/small").json()["is_here"] is False

        cdn.go_on.set()
        eventually(lambda: job(gateway)["state"] == "done", LONG)
        second = ask(gateway)
        assert second.json()["model"] == "small"
        assert FALLBACK_FOR not in second.headers
        assert second.json()["choices"][0]["message"]["content"] == "Paris."
        assert gateway.http.get("/ready", params={"full": "1"}).status_code == 200
        assert gateway.http.get("/v1/models/small").json()["is_here"] is True
    assert f"fetching {FILE} ({len(CONTENT) / 1e6:.1f} MB) for the model 'small'" in gateway.log()
    assert "it answers from now on instead of its fallback 'echo'" in gateway.log()


def test_a_refusal_of_the_fallback_names_the_model_that_is_being_fetched(
    tmp_path: Path, hub: Hub, cdn: FileServer
) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(fallback="fallback: starter-embedding").replace(
        "name: small\n", "name: small\ncapabilities: [embedding]\n"
    ))  # fmt: skip
    with gateway:
        asked = {"model": "small", "input": "king", "dimensions": 4096}
        refused = gateway.http.post("/v1/embeddings", json=asked, timeout=LONG)
        cdn.go_on.set()

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "dimensions")
    message = refused.json()["error"]["message"]
    assert "'starter-embedding', which answers until 'small' is here: GET /models/jobs" in message


def test_a_wrong_hash_is_told_and_the_fallback_goes_on(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(sha256="0" * 64))
    with gateway:
        assert ask(gateway).headers[FALLBACK_FOR] == "small"
        eventually(lambda: job(gateway).get("state") == "failed", LONG)
        failed = job(gateway)
        assert failed["error_code"] == "wrong_hash"
        assert "0" * 64 in failed["error"]
        assert SHA256 in failed["error"]
        assert failed["message"] == f"error: {failed['error']}"
        assert ask(gateway).headers[FALLBACK_FOR] == "small"
        assert len(gateway.http.get("/models/jobs").json()) == 1
        assert not list(gateway.store.rglob("*.gguf"))
        ready = gateway.http.get("/ready", params={"full": "1"})
        assert (ready.status_code, ready.json()["failed"]) == (200, {"small": failed["error"]})

        gateway.add_card("small", card())  # corrected: it is another order, and begun at once
        eventually(lambda: ask(gateway).json()["model"] == "small", LONG)
        eventually(lambda: [one["state"] for one in jobs(gateway)] == ["done", "failed"])


def test_a_file_that_is_here_with_another_hash_is_not_the_one(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        eventually(lambda: ask(gateway).json()["model"] == "small", LONG)
        gateway.add_card("small", card(sha256="0" * 64))
        eventually(lambda: ask(gateway).headers.get(FALLBACK_FOR) == "small", LONG)
        eventually(lambda: job(gateway)["error_code"] == "wrong_hash", LONG)


def test_a_wrong_fallback_hides_no_model(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(fallback="fallback: nobody"))
    gateway.add_card("deaf", "name: deaf\nbackend: piper\nmodel: hf://org/voice\n")
    gateway.add_card(
        "medium", f"name: medium\nbackend: llama_cpp\nmodel: {REFERENCE}:x\nfallback: deaf\n"
    )
    with gateway:
        first = ask(gateway)
        assert (first.status_code, first.json()["error"]["code"]) == (503, "model_not_here")
        (broken,) = gateway.http.get("/v1/models", params={"view": "admin"}).json()["errors"]
        assert (broken["card"], broken["line"]) == ("small", 4)
        assert "'nobody'" in broken["message"]
        eventually(lambda: ask(gateway).json().get("model") == "small", LONG)


def test_all_of_a_line_of_fallbacks_is_fetched_and_the_first_that_is_here_answers(
    tmp_path: Path, hub: Hub, cdn: FileServer
) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card(
        "large", "name: large\nbackend: llama_cpp\nmodel: hf://org/none\nfallback: small\n"
    )
    gateway.add_card("small", card())
    with gateway:
        body = {"model": "large", **HELLO}

        def answered_by() -> str:
            return str(gateway.http.post("/v1/chat/completions", json=body).json().get("model"))

        assert answered_by() == "echo"
        eventually(lambda: answered_by() == "small", LONG)
        orders = gateway.http.get("/models/jobs").json().values()
        assert {one["order"]["card"] for one in orders} == {"large", "small"}


@pytest.mark.parametrize(("repo", "gated", "status"), [("org/none", False, 404), (REPO, True, 403)])
def test_what_trying_again_does_not_mend_is_told_with_its_own_status(
    tmp_path: Path, hub: Hub, repo: str, gated: bool, status: int
) -> None:
    hub.gated = gated
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", f"name: small\nbackend: llama_cpp\nmodel: hf://{repo}/{FILE}\n")
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway)["processed"], LONG)
        answer = ask(gateway)
        assert answer.status_code == status, answer.text
        assert answer.headers["x-should-retry"] == "false"
        assert "retry-after" not in answer.headers
        assert answer.json()["error"]["job"] == job(gateway)["id"]
        assert ".." not in answer.json()["error"]["message"]
        ready = gateway.http.get("/ready", params={"full": "1"})
        assert (ready.status_code, list(ready.json()["failed"])) == (200, ["small"])


def test_a_busy_hub_is_asked_again_and_the_answer_says_when(tmp_path: Path) -> None:
    with serve_files() as server:
        server.routes[f"/api/models/{REPO}"] = lambda _: (429, {"retry-after": "1000"}, b"")
        server.routes[f"/api/models/{REPO}/revision/main"] = server.routes[f"/api/models/{REPO}"]
        gateway = gateway_at(tmp_path, Hub(server, server))
        gateway.add_card("small", card(fallback=""))
        with gateway:
            ask(gateway)
            eventually(lambda: job(gateway)["try_at"], LONG)
            answer = ask(gateway)
            assert answer.status_code == 503
            assert 900 < int(answer.headers["retry-after"]) <= 1000
            assert gateway.http.get("/ready", params={"full": "1"}).status_code == 503


def test_a_store_that_cannot_be_written_is_told_once_and_fallbacks_answer(
    tmp_path: Path, hub: Hub
) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    gateway = gateway_at(tmp_path, hub)
    names = ("small", "large")
    for name in names:
        gateway.add_card(
            name, f"name: {name}\nbackend: llama_cpp\nmodel: {REFERENCE}\nfallback: echo\n"
        )
    with gateway:
        assert_fallbacks_answer(gateway, names)

        eventually(
            lambda: [one["error_code"] for one in jobs(gateway)] == ["cannot_write"] * 2, LONG
        )
        refused = gateway.http.delete(f"/models/jobs/{jobs(gateway)[0]['id']}")
        assert refused.status_code == 400
        assert "Traceback" not in gateway.log()
        told = [line for line in gateway.log().splitlines() if "could not be fetched" in line]
        assert len(told) == 1, told


def test_a_killed_gateway_goes_on_where_it_was(tmp_path: Path, hub: Hub, cdn: FileServer) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        gateway.process.kill()
        gateway.process.wait()
    noted = sum(size_of(note) for note in gateway.store.rglob("*.part.json"))
    assert noted > 0
    cdn.always, before = None, cdn.sent
    again = gateway_at(tmp_path, hub)
    with again:
        eventually(lambda: job(again).get("state") == "done", LONG)
        assert ask(again).json()["model"] == "small"
    assert cdn.sent - before == len(CONTENT) - noted


def size_of(note: Path) -> int:
    """Return how many bytes a note of an unfinished file says are there."""
    return sum(end - start for start, end in json.loads(note.read_text())["spans"])


def test_a_job_is_cancelled(tmp_path: Path, hub: Hub, cdn: FileServer) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        number = job(gateway)["id"]
        assert gateway.http.delete(f"/models/jobs/{number}").status_code == 200
        eventually(lambda: job(gateway)["state"] == "cancelled", LONG)
        again = gateway.http.post(f"/models/jobs/{number}/cancel")
        assert (again.status_code, again.json()["error"]["type"]) == (400, "invalid_request_error")
        assert gateway.http.get("/models/jobs/none").status_code == 404


def test_without_fallback_it_says_how_far_it_is(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card(fallback=""))
    with gateway:
        answer = ask(gateway)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["error"]["code"] == "model_not_here"
        eventually(lambda: job(gateway).get("state") == "done", LONG)
        assert ask(gateway).json()["model"] == "small"


def test_no_network_is_told_once_and_the_fallbacks_go_on(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path)
    names = ("small", "medium", "large")
    for name in names:
        gateway.add_card(
            name, f"name: {name}\nbackend: llama_cpp\nmodel: hf://org/{name}\nfallback: echo\n"
        )
    with nobody() as host:
        gateway.environ = {
            "HF_ENDPOINT": f"http://{host}", "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "0",
        }  # fmt: skip
        assert_no_network_is_told(gateway, names, host)


def assert_no_network_is_told(gateway: RunningGateway, names: Sequence[str], host: str) -> None:
    with gateway:
        assert_fallbacks_answer(gateway, names)

        eventually(lambda: [one["state"] for one in jobs(gateway)] == ["failed"] * 3, LONG)
        assert {one["error_code"] for one in jobs(gateway)} == {"unreachable"}
        assert all(one["try_at"] >= one["changed"] + 59 for one in jobs(gateway))
        told = [line for line in gateway.log().splitlines() if host in line]
        assert len(told) == 1, told
        assert "there is no network" in told[0]
        assert "are answered by the fallback 'echo'" in told[0]
        assert all(f"'{name}'" in told[0] for name in names)
        assert "tried again in 60 s" in told[0]

        waiting = jobs(gateway)[0]
        ended = gateway.http.delete(f"/models/jobs/{waiting['id']}").json()
        assert (ended["state"], ended["try_at"], ended["cancellable"]) == ("cancelled", None, False)


def test_what_could_not_be_reached_is_fetched_after_a_restart(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    with nobody() as host:
        gateway.environ["HF_ENDPOINT"] = f"http://{host}"
        number = failed_without_network(gateway)
    online = gateway_at(tmp_path, hub)
    with online:
        eventually(lambda: job(online).get("state") == "done", LONG)
        assert job(online)["id"] == number
        assert ask(online).json()["model"] == "small"


def failed_without_network(gateway: RunningGateway) -> str:
    """Return the id of the job that could not reach anybody."""
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("state") == "failed", LONG)
        return str(job(gateway)["id"])


def test_to_be_offline_is_a_decision_that_is_told_once(tmp_path: Path, hub: Hub) -> None:
    gateway = gateway_at(tmp_path, hub)
    gateway.environ["HF_HUB_OFFLINE"] = "1"
    for name in ("small", "large"):
        gateway.add_card(
            name, f"name: {name}\nbackend: llama_cpp\nmodel: hf://org/{name}\nfallback: echo\n"
        )
    with gateway:
        for name in ("small", "large"):
            gateway.http.post("/v1/chat/completions", json={"model": name, **HELLO})

        eventually(lambda: [one["state"] for one in jobs(gateway)] == ["failed"] * 2, LONG)
        assert {(one["error_code"], one["try_at"]) for one in jobs(gateway)} == {("offline", None)}
        assert gateway.log().count("HF_HUB_OFFLINE") == 1
    assert not hub.server.asked


def test_two_gateways_share_a_store(tmp_path: Path, hub: Hub, cdn: FileServer) -> None:
    cdn.always = Fault(pause_at=1 << 20)
    gateway = gateway_at(tmp_path, hub)
    gateway.add_card("small", card())
    (tmp_path / "2").mkdir()
    second = RunningGateway(tmp_path / "2", store=gateway.store, runtime_dir=tmp_path / "run")
    second.environ = gateway.environ
    with gateway:
        ask(gateway)
        eventually(lambda: job(gateway).get("current_bytes", 0) > 0, LONG)
        with second:
            seen = job(second)
            assert (seen["id"], seen["state"]) == (job(gateway)["id"], "running")
            assert seen["cancellable"] is False
            assert second.http.delete(f"/models/jobs/{seen['id']}").status_code == 400
            with second.http.stream("GET", f"/models/jobs/{seen['id']}/events") as events:
                assert "running" in next(events.iter_lines())
        assert job(gateway)["state"] == "running"
        cdn.go_on.set()
        eventually(lambda: job(gateway)["state"] == "done", LONG)
    assert "fetching" not in second.log()
