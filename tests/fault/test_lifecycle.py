"""Loading, sharing, unloading, ending: processes and folders as the system sees them."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.fault.calls import (
    answer_of,
    asking,
    chat,
    chat_body,
    error_of,
    held,
    in_background,
    results,
    stream_text,
    streaming,
)
from tests.fault.conftest import ECHO, Start
from tests.gateways import DEADLINE, RunningGateway, eventually, is_alive, socket_of


def card(text: str) -> dict[str, str]:
    return {"echo": ECHO + text}


def test_first_calls_at_the_same_time_share_one_load(start: Start) -> None:
    gateway = start(card("options: {load_delay: 0.5}"))
    with in_background() as pool:
        answers = results([pool.submit(chat, gateway, f"call {i}") for i in range(8)])
    assert [answer_of(a) for a in answers] == [f"call {i}" for i in range(8)]
    assert gateway.log().count("is ready after") == 1


def test_full_queue_is_429_with_retry_after_and_recovers(start: Start) -> None:
    gateway = start(card("limits: {max_concurrent: 1, queue: 1}"))
    chat(gateway, "load first")
    with in_background() as pool:
        with held(gateway.worker("echo")["pid"]):
            running = pool.submit(chat, gateway, "a b c")
            eventually(lambda: gateway.worker("echo")["running"] == 1)
            waiting = pool.submit(chat, gateway, "waited")
            eventually(lambda: gateway.worker("echo")["waiting"] == 1)
            refused = chat(gateway, "too much")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert error_of(refused)["code"] == "queue_full"
        assert [answer_of(r) for r in results([running, waiting])] == ["a b c", "waited"]


def test_waiting_too_long_is_503(start: Start) -> None:
    gateway = start(card("limits: {max_concurrent: 1, queue_timeout: 1s}"))
    chat(gateway, "load first")
    with in_background() as pool:
        with held(gateway.worker("echo")["pid"]):
            running = pool.submit(chat, gateway, "a b c d")
            eventually(lambda: gateway.worker("echo")["running"] == 1)
            refused = chat(gateway, "never")
        assert refused.status_code == 503
        assert error_of(refused)["code"] == "queue_timeout"
        assert answer_of(running.result()) == "a b c d"


def test_idle_worker_is_unloaded_after_keep_alive_and_comes_back(start: Start) -> None:
    gateway = start(card("keep_alive: 3s"))
    chat(gateway, "hi")
    worker = gateway.worker("echo")
    assert 0 < worker["expires_in"] <= 3
    eventually(lambda: gateway.workers() == [])
    assert not is_alive(worker["pid"])
    assert answer_of(chat(gateway, "again")) == "again"


def test_keep_alive_zero_unloads_after_the_call(start: Start) -> None:
    gateway = start(card("keep_alive: 0"))
    for word in ("one", "two"):
        assert answer_of(chat(gateway, word)) == word
    eventually(lambda: gateway.workers() == [])


def test_stop_unloads_now_and_tells_running_calls(start: Start) -> None:
    gateway = start()
    with streaming(gateway, "a b c d [[slow=60]]") as payloads:
        next(payloads)
        pid = gateway.worker("echo")["pid"]
        stopped = gateway.http.delete("/admin/workers/echo").json()
        assert stopped == {"model": "echo", "stopped": True}
        assert not is_alive(pid)
        *_, last = list(payloads)
    assert json.loads(last)["error"]["code"] == "worker_stopped"
    assert gateway.http.delete("/admin/workers/echo").json()["stopped"] is False
    assert answer_of(chat(gateway, "back")) == "back"


def test_stop_while_the_model_loads_leaves_no_process(start: Start) -> None:
    gateway = start(card("options: {load_delay: 60}"))
    with in_background() as pool:
        call = pool.submit(chat, gateway, "hi")
        pid = eventually(lambda: gateway.worker("echo").get("pid"))
        assert gateway.http.delete("/admin/workers/echo").json()["stopped"] is True
        assert error_of(call.result())["code"] == "worker_stopped"
    assert not is_alive(pid)
    assert gateway.workers() == []
    assert "did not load" not in gateway.log()


def test_relative_runtime_folder_works(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r").mkdir()
    assert answer_of(chat(start(runtime_dir="r"), "hi")) == "hi"


def test_failed_load_cools_down_until_the_card_is_mended(start: Start) -> None:
    gateway = start(card("options: {fail: load}"), load_cooldown=300)
    assert "next try" not in error_of(chat(gateway, "hi"))["message"]
    again = chat(gateway, "hi")
    assert "the next try is possible in" in error_of(again)["message"]
    assert int(again.headers["retry-after"]) > 200
    assert gateway.log().count("did not load") == 1
    gateway.add_card("echo", ECHO)
    eventually(lambda: chat(gateway, "mended").status_code == 200)


def test_failed_load_is_tried_again_after_the_cooldown(start: Start) -> None:
    gateway = start(card("options: {fail: load}"), load_cooldown=0.1)
    chat(gateway, "hi")
    eventually(lambda: chat(gateway, "hi") and gateway.log().count("did not load") >= 2)


def test_changed_card_takes_effect_without_breaking_a_running_call(start: Start) -> None:
    gateway = start()
    chat(gateway, "load first")
    old = gateway.worker("echo")["pid"]
    with in_background() as pool:
        with held(old):
            running = pool.submit(chat, gateway, "a b c d e")
            eventually(lambda: gateway.worker("echo")["running"] == 1)
            gateway.add_card("echo", ECHO + "aliases: [newer]\ndefaults: {max_tokens: 1}\n")
            eventually(lambda: gateway.http.get("/v1/models/newer").status_code == 200)
            assert answer_of(chat(gateway, "x y z")) == "x"
            assert is_alive(old)
        assert answer_of(running.result(DEADLINE)) == "a b c d e"
    eventually(lambda: not is_alive(old))


def test_added_broken_and_removed_cards_take_effect(start: Start) -> None:
    gateway = start()
    path = gateway.add_card("second", "name: second\nbackend: echo\n")
    eventually(lambda: chat(gateway, "hi", model="second").status_code == 200)
    gateway.add_card("second", "name: second\nbackend: echo\nkeepalive: 5m\n")
    (broken,) = eventually(lambda: gateway.http.get("/v1/models?view=admin").json()["errors"])
    assert (broken["path"], broken["line"]) == (str(path), 3)
    assert "keep_alive" in broken["message"]
    assert "keep_alive" in gateway.log()
    assert answer_of(chat(gateway, "last good card", model="second")) == "last good card"
    path.unlink()
    eventually(lambda: chat(gateway, "hi", model="second").status_code == 404)
    eventually(lambda: gateway.worker("second") == {})


def test_worker_is_fenced_in_its_own_group_folder_and_environment(start: Start) -> None:
    os.environ["SECRET_TOKEN"] = "do not pass on"
    try:
        gateway = start()
    finally:
        del os.environ["SECRET_TOKEN"]
    chat(gateway, "hi")
    pid = gateway.worker("echo")["pid"]
    assert os.getpgid(pid) == pid
    folder = socket_of(pid).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    with open(f"/proc/{pid}/environ", "rb") as environ:
        names = {entry.split(b"=")[0].decode() for entry in environ.read().split(b"\0")}
    assert "PATH" in names
    assert not names & {"SECRET_TOKEN", "LOCALAI_RUNTIME_DIR"}


def leftovers(gateway: RunningGateway) -> list[str]:
    return [path.name for path in gateway.runtime.iterdir()]


def test_kill_of_the_gateway_leaves_no_process_and_the_next_start_no_folder(start: Start) -> None:
    gateway = start({"a": "name: a\nbackend: echo\n", "b": "name: b\nbackend: echo\n"})
    for model in ("a", "b"):
        chat(gateway, "hi", model=model)
    pids = [worker["pid"] for worker in gateway.workers()]
    assert len(pids) == 2
    gateway.kill()
    eventually(lambda: not any(map(is_alive, pids)))
    (folder,) = leftovers(gateway)
    assert folder not in leftovers(start())


def test_kill_of_the_gateway_ends_a_worker_that_still_loads(start: Start) -> None:
    gateway = start(card("options: {load_delay: 60}"))
    with in_background() as pool:
        call = pool.submit(chat, gateway, "hi")
        pid = eventually(lambda: gateway.worker("echo").get("pid"))
        eventually(lambda: gateway.worker("echo")["state"] == "loading")
        gateway.kill()
        assert call.exception() is not None
    eventually(lambda: not is_alive(pid))


def test_sigterm_lets_running_answers_finish_and_leaves_nothing(start: Start) -> None:
    gateway = start()
    with streaming(gateway, "a b c d e [[slow=0.3]]") as payloads:
        head = next(payloads)
        pid = gateway.worker("echo")["pid"]
        gateway.process.send_signal(signal.SIGTERM)
        *rest, done = list(payloads)
    assert stream_text([head, *rest]) == "a b c d e"
    assert done == "[DONE]"
    assert gateway.process.wait(30) == 0
    assert not is_alive(pid)
    assert leftovers(gateway) == []


def test_sigterm_ends_answers_that_take_too_long_with_an_error(start: Start) -> None:
    gateway = start(drain_timeout=0.5)
    with streaming(gateway, "a b c d e [[slow=60]]") as payloads:
        next(payloads)
        pid = gateway.worker("echo")["pid"]
        gateway.process.send_signal(signal.SIGTERM)
        *_, last = list(payloads)
    assert json.loads(last)["error"]["code"] == "shutting_down"
    gateway.process.wait(30)
    assert not is_alive(pid)
    assert leftovers(gateway) == []


def test_caller_that_leaves_while_the_model_loads_is_forgotten(start: Start) -> None:
    gateway = start(card("options: {load_delay: 2}"))
    with asking(gateway, "/v1/chat/completions", chat_body("hi")):
        eventually(lambda: gateway.worker("echo").get("waiting") == 1)
    eventually(lambda: gateway.worker("echo")["waiting"] == 0)
    eventually(lambda: gateway.worker("echo")["state"] == "ready")
    assert gateway.worker("echo")["running"] == 0


def test_fallback_answers_until_the_files_are_there(start: Start, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    later = f"name: later\nbackend: llama_cpp\nmodel: {weights}\nfallback: echo\n"
    gateway = start({"echo": ECHO, "later": later})
    answer = chat(gateway, "not yet", model="later")
    assert answer_of(answer) == "not yet"
    assert answer.json()["model"] == "echo"
    assert answer.headers["x-localai-fallback-for"] == "later"
    weights.write_text("no model at all")
    refused = chat(gateway, "now", model="later")
    assert error_of(refused)["code"] == "model_load_failed"
    assert str(weights) in error_of(refused)["message"]
