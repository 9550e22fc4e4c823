"""Callers that give up, and many callers at once: over the socket, to the worker's own books."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openai
import pytest

from tests.e2e.sdk import said
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.openai_spec import CheckedTransport

ENDLESS = "[[slow=0.01]] [[words=1000000]] word"
STUCK = "[[delay=600]] never"
LEAVES = 2.0
"""Seconds until a caller gives up, long enough to be with the worker on a busy machine too."""


@pytest.fixture(autouse=True)
def loaded(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="echo", messages=said("wake up"))


def running(gateway: RunningGateway) -> float:
    return gateway.worker_metric("echo", "sequences_running")


@contextmanager
def frees_the_worker(gateway: RunningGateway) -> Iterator[None]:
    """Expect that the block begins one answer and that giving up ends it, as a cancel."""
    cancelled = gateway.worker_metric("echo", "cancelled_total")
    yield
    eventually(lambda: running(gateway) == 0)
    eventually(lambda: gateway.worker(model="echo")["running"] == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == cancelled + 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_frees_the_worker(
    gateway: RunningGateway, client: openai.OpenAI, stream: bool
) -> None:
    with frees_the_worker(gateway), pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=LEAVES).chat.completions.create(
            model="echo", messages=said(STUCK), stream=stream
        )


def test_closing_a_stream_frees_the_worker(gateway: RunningGateway, client: openai.OpenAI) -> None:
    with frees_the_worker(gateway):
        stream = client.chat.completions.create(model="echo", messages=said(ENDLESS), stream=True)
        assert [next(stream) for _ in range(3)]
        assert running(gateway) == 1
        stream.close()


def test_leaving_the_loop_frees_the_worker(gateway: RunningGateway, client: openai.OpenAI) -> None:
    with (
        frees_the_worker(gateway),
        client.chat.completions.create(model="echo", messages=said(ENDLESS), stream=True) as stream,
    ):
        for _ in stream:
            break


async def test_closing_a_stream_frees_the_worker_awaited(
    gateway: RunningGateway, async_client: openai.AsyncOpenAI
) -> None:
    cancelled = gateway.worker_metric("echo", "cancelled_total")
    stream = await async_client.chat.completions.create(
        model="echo", messages=said(ENDLESS), stream=True
    )
    assert await anext(stream)
    await stream.close()
    await asyncio.to_thread(eventually, lambda: running(gateway) == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == cancelled + 1


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_the_task_frees_the_worker(
    gateway: RunningGateway, async_client: openai.AsyncOpenAI, stream: bool
) -> None:
    async def call() -> None:
        await async_client.chat.completions.create(
            model="echo", messages=said(STUCK), stream=stream
        )

    cancelled = gateway.worker_metric("echo", "cancelled_total")
    task = asyncio.create_task(call())
    await asyncio.to_thread(eventually, lambda: running(gateway) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, lambda: running(gateway) == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == cancelled + 1


async def test_cancelling_in_the_middle_of_a_stream_frees_the_worker(
    gateway: RunningGateway, async_client: openai.AsyncOpenAI
) -> None:
    began = asyncio.Event()

    async def read() -> None:
        async for _ in await async_client.chat.completions.create(
            model="echo", messages=said(ENDLESS), stream=True
        ):
            began.set()

    task = asyncio.create_task(read())
    async with asyncio.timeout(DEADLINE):
        await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, lambda: running(gateway) == 0)


def test_giving_up_is_no_failure_in_the_log(gateway: RunningGateway, client: openai.OpenAI) -> None:
    before = len(gateway.log())
    with frees_the_worker(gateway), pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=LEAVES).chat.completions.create(
            model="echo", messages=said(STUCK)
        )
    line = eventually(lambda: [x for x in gateway.log()[before:].splitlines() if " 499 " in x])
    assert "model=echo" in line[0]
    assert "Traceback" not in gateway.log()[before:]
    assert " ERROR " not in gateway.log()[before:]


async def test_eight_calls_run_at_once(
    gateway: RunningGateway, async_client: openai.AsyncOpenAI
) -> None:
    async def call(number: int) -> str | None:
        answer = await async_client.chat.completions.create(
            model="echo", messages=said(f"[[delay=0.5]] number {number}")
        )
        return answer.choices[0].message.content

    began = time.perf_counter()
    answers = await asyncio.gather(*(call(number) for number in range(8)))
    assert answers == [f"number {number}" for number in range(8)]
    assert time.perf_counter() - began < 8 * 0.5


async def test_eight_streams_do_not_mix(async_client: openai.AsyncOpenAI) -> None:
    async def read(number: int) -> str:
        stream = await async_client.chat.completions.create(
            model="echo", messages=said(f"[[slow=0.01]] {f'n{number} ' * 10}"), stream=True
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return "".join(texts)

    answers = await asyncio.gather(*(read(number) for number in range(8)))
    assert [answer.split() for answer in answers] == [[f"n{number}"] * 10 for number in range(8)]


def test_a_connection_serves_two_hundred_calls(gateway: RunningGateway) -> None:
    ports = set()
    http = openai.DefaultHttpxClient(transport=CheckedTransport())
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", http_client=http) as client:
        for number in range(200):
            raw = client.chat.completions.with_raw_response.create(
                model="echo", messages=said(f"call {number}"), max_tokens=number % 3 or 5
            )
            network = raw.http_response.extensions["network_stream"]
            ports.add(network.get_extra_info("client_addr")[1])
            text = raw.parse().choices[0].message.content
            assert text == " ".join(["call", str(number)][: number % 3 or 5])
    assert len(ports) == 1


def test_streams_leave_the_connection_fit_for_the_next_call(client: openai.OpenAI) -> None:
    for number in range(20):
        stream = client.chat.completions.create(
            model="echo", messages=said(f"a {number}"), stream=True
        )
        assert list(stream)[-1].choices[0].finish_reason == "stop"


def test_a_slow_reader_does_not_hold_up_the_others(
    gateway: RunningGateway, client: openai.OpenAI
) -> None:
    def made() -> float:
        return gateway.worker_metric("echo", "predicted_tokens_total")

    with slow_reader(gateway, WORD, words=8000) as reader:
        eventually(lambda: running(gateway) == 1)
        began = time.perf_counter()
        for number in range(20):
            answer = client.chat.completions.create(model="echo", messages=said(f"a {number}"))
            assert answer.choices[0].message.content == f"a {number}"
        assert time.perf_counter() - began < 20
        eventually(lambda: stands_still(made))
        assert running(gateway) == 1
        received = b"".join(iter(lambda: reader.recv(1 << 20), b""))
    assert received.count(WORD.encode()) == 8000
    assert b"data: [DONE]" in received


WORD = "word" * 250


@contextmanager
def slow_reader(gateway: RunningGateway, word: str, *, words: int) -> Iterator[socket.socket]:
    """Ask for more than all buffers on the way hold, and read nothing."""
    content = f"[[words={words}]] {word}"
    body = json.dumps({"messages": said(content), "stream": True}).encode()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(DEADLINE)
        reader.connect(("127.0.0.1", gateway.port))
        reader.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        yield reader


def stands_still(look: Callable[[], float]) -> bool:
    """Tell whether a figure stays the same for twenty looks."""
    first = look()
    return all(look() == first for _ in range(20))
