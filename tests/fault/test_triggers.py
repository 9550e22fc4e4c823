"""Every fault that echo can make, as a caller sees it."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.fault.calls import answer_of, chat, error_of, stream_text, streaming
from tests.fault.conftest import Start
from tests.gateways import eventually, is_alive


def card(**options: object) -> dict[str, str]:
    return {"echo": f"name: echo\nbackend: echo\noptions: {json.dumps(options)}\n"}


def test_failing_load_says_phase_and_reason_and_is_not_retried(start: Start) -> None:
    gateway = start(card(fail="load"))
    refused = chat(gateway, "hi")
    error = error_of(refused)
    assert refused.status_code == 500
    assert refused.headers["x-should-retry"] == "false"
    assert error["phase"] == "load"
    assert "asked to fail (load)" in error["message"]


def test_crash_during_load_says_the_signal_and_the_last_lines(start: Start) -> None:
    error = error_of(chat(start(card(crash="load:SIGSEGV")), "hi"))
    assert error["code"] == "model_load_failed"
    assert error["exit"] == "it was killed by SIGSEGV"
    assert any("Fatal Python error" in line for line in error["last_lines"])
    assert "Fatal Python error: Segmentation fault" in error["message"]


def test_crash_during_load_is_noticed_at_once(start: Start) -> None:
    gateway = start(card(crash="load:SIGKILL"))
    began = time.monotonic()
    error = error_of(chat(gateway, "hi"))
    assert "SIGKILL" in error["message"]
    assert time.monotonic() - began < 20  # far from the deadline of 30 s for the load


def test_failure_before_the_first_byte_keeps_its_status_for_streams(start: Start) -> None:
    refused = chat(start(), "hi [[fail=before]]", stream=True)
    assert refused.status_code == 500
    assert error_of(refused)["code"] == "echo_fail_before"


def test_crash_before_the_first_byte_is_a_502_and_the_next_call_works(start: Start) -> None:
    gateway = start()
    refused = chat(gateway, "hi [[crash=before:SIGABRT]]")
    assert refused.status_code == 502
    assert error_of(refused)["code"] == "worker_crashed"
    assert error_of(refused)["exit"] == "it was killed by SIGABRT"
    assert answer_of(chat(gateway, "still here")) == "still here"


def test_failure_in_mid_stream_ends_with_an_error_frame(start: Start) -> None:
    with streaming(start(), "one two three four [[fail=mid]]") as payloads:
        *before, last = list(payloads)
    assert stream_text(before) == "one two three"
    assert json.loads(last)["error"]["code"] == "echo_fail_mid"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_crash_in_mid_stream_ends_with_an_error_frame(start: Start, name: str) -> None:
    gateway = start()
    content = f"one two three four [[crash=mid:{name}]] [[slow=0.01]]"
    with streaming(gateway, content) as payloads:
        *before, last = list(payloads)
    if name == "SIGTERM":  # a polite end lets running answers finish
        assert stream_text([*before, last]) == "one two three four"
    else:
        assert stream_text(before) == "one two three"
        assert json.loads(last)["error"]["code"] == "worker_crashed"
    assert answer_of(chat(gateway, "again")) == "again"


def test_delay_and_slow_words_take_their_time_and_are_not_held_back(start: Start) -> None:
    gateway = start()
    chat(gateway, "load first")
    began = time.monotonic()
    with streaming(gateway, "a b c [[delay=0.2]] [[slow=1.5]]") as payloads:
        head = [next(payloads), next(payloads)]
        assert stream_text(head) == "a"
        assert gateway.worker_metric("echo", "sequences_running") == 1
        assert stream_text([*head, *payloads]) == "a b c"
    assert time.monotonic() - began >= 0.2 + 2 * 1.5


def test_huge_output_arrives_whole(start: Start) -> None:
    words = 200_000
    answer = answer_of(chat(start(), f"word [[words={words}]]"))
    assert answer == " ".join(["word"] * words)


@pytest.mark.parametrize("trigger", ["fail=nonsense", "crash=foo", "crash=mid:SIGFOO", "slow=x"])
def test_trigger_without_a_meaning_is_refused(start: Start, trigger: str) -> None:
    assert trigger in error_of(chat(start(), f"hi [[{trigger}]]"))["message"]


def test_unknown_trigger_is_refused_with_the_nearest(start: Start) -> None:
    error = error_of(chat(start(), "hi [[dely=1]]"))
    assert "'delay'" in error["message"]


def test_kill_of_the_worker_gives_all_running_calls_a_typed_end(start: Start) -> None:
    gateway = start()
    with (
        streaming(gateway, "a b c d e f [[slow=60]]") as first,
        streaming(gateway, "g h i j k l [[slow=60]]") as second,
    ):
        next(first)
        next(second)
        pid = gateway.worker("echo")["pid"]
        os.kill(pid, signal.SIGKILL)
        for payloads in (first, second):
            *_, last = list(payloads)
            error = json.loads(last)["error"]
            assert error["code"] == "worker_crashed"
            assert "SIGKILL" in error["message"]
    assert answer_of(chat(gateway, "fresh")) == "fresh"
    assert gateway.worker("echo")["pid"] != pid
    eventually(lambda: not is_alive(pid))


def test_short_answer_fails_in_mid_stream_too(start: Start) -> None:
    with streaming(start(), "hi you [[fail=mid]]") as payloads:
        *before, last = list(payloads)
    assert stream_text(before) == "hi you"
    assert json.loads(last)["error"]["code"] == "echo_fail_mid"
