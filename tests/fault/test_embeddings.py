"""What goes wrong with embeddings, as a caller sees it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import httpx2
import pytest

from tests.fault.calls import asking, error_of, in_background
from tests.fault.conftest import Start
from tests.gateways import DEADLINE, RunningGateway, eventually


def embed(gateway: RunningGateway, texts: Any, **fields: Any) -> httpx2.Response:
    body = {"model": "echo", "input": texts, **fields}
    return httpx2.post(f"{gateway.url}/v1/embeddings", json=body, timeout=DEADLINE)


def vectors_of(answer: httpx2.Response) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    return [one["embedding"] for one in answer.json()["data"]]


def test_the_same_text_has_the_same_vector_in_another_process(start: Start) -> None:
    gateway = start()
    before = vectors_of(embed(gateway, ["one", "two"]))
    os.kill(gateway.worker("echo")["pid"], signal.SIGKILL)
    eventually(lambda: not gateway.worker("echo"))
    assert vectors_of(embed(gateway, ["one", "two"])) == before
    assert before[0] != before[1]


def test_kill_in_the_middle_is_told_and_the_next_call_works(start: Start) -> None:
    gateway = start()
    embed(gateway, "load first")
    with in_background() as pool:
        call = pool.submit(embed, gateway, "hello [[delay=600]]")
        eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 1)
        os.kill(gateway.worker("echo")["pid"], signal.SIGKILL)
        answer = call.result(DEADLINE)
    assert answer.status_code == 502
    assert error_of(answer)["code"] == "worker_crashed"
    assert "SIGKILL" in error_of(answer)["message"]
    assert len(vectors_of(embed(gateway, "again"))) == 1


@pytest.mark.parametrize(
    ("trigger", "status", "code"),
    [
        ("fail=before", 500, "echo_fail_before"),
        ("fail=mid", 500, "echo_fail_mid"),
        ("crash=before:SIGSEGV", 502, "worker_crashed"),
        ("crash=mid", 502, "worker_crashed"),
    ],
)
def test_failures_are_typed_and_the_next_call_works(
    start: Start, trigger: str, status: int, code: str
) -> None:
    gateway = start()
    answer = embed(gateway, [f"one [[{trigger}]]", "two"])
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert len(vectors_of(embed(gateway, "again"))) == 1


def test_slow_texts_take_their_time(start: Start) -> None:
    gateway = start()
    began = time.monotonic()
    assert len(vectors_of(embed(gateway, ["a [[slow=0.2]]", "b", "c"]))) == 3
    assert time.monotonic() - began >= 0.4


def test_a_caller_that_leaves_frees_its_place(start: Start) -> None:
    gateway = start()
    embed(gateway, "load first")
    with asking(gateway, "/v1/embeddings", {"model": "echo", "input": "hello [[delay=600]]"}):
        eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 1)
    eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == 1


def test_base64_and_dimensions_of_echo(start: Start) -> None:
    gateway = start()
    (short,) = vectors_of(embed(gateway, "one", dimensions=8))
    assert sum(x * x for x in short) == pytest.approx(1, abs=1e-6)
    assert embed(gateway, "one", dimensions=65).status_code == 400
    answer = embed(gateway, ["one two", "three"], encoding_format="base64")
    assert answer.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert isinstance(answer.json()["data"][0]["embedding"], str)
