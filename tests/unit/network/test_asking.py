from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from localai.network.asking import ask_patiently, retry_after


def answer(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def asking(*outcomes: httpx2.Response | Exception) -> Callable[[], httpx2.Response]:
    left = list(outcomes)

    def ask() -> httpx2.Response:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return ask


def waits(*outcomes: httpx2.Response | Exception) -> tuple[object, list[float]]:
    """Return how the asking ended, and the pauses that were made."""
    pauses: list[float] = []
    try:
        return ask_patiently(asking(*outcomes), pauses.append).status_code, pauses
    except httpx2.HTTPError as error:
        return type(error), pauses


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_three_times(status: int) -> None:
    assert waits(answer(status), answer(status), answer(200)) == (200, [0.5, 1])
    assert waits(*[answer(status)] * 4) == (status, [0.5, 1])


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 416])
def test_an_answer_is_an_answer(status: int) -> None:
    assert waits(answer(status)) == (status, [])


def test_the_server_says_how_long_to_wait_up_to_a_limit() -> None:
    assert waits(answer(429, retry_after="7"), answer(200)) == (200, [7])
    assert waits(answer(429, retry_after="3600"), answer(200)) == (429, [])


def test_a_cut_line_is_tried_again_and_a_silent_server_is_not() -> None:
    cut, silent = httpx2.RemoteProtocolError("cut"), httpx2.ReadTimeout("silent")
    assert waits(cut, httpx2.ReadError("reset"), answer(200)) == (200, [0.5, 1])
    assert waits(cut, cut, cut) == (httpx2.RemoteProtocolError, [0.5, 1])
    assert waits(silent) == (httpx2.ReadTimeout, [])
    assert waits(httpx2.UnsupportedProtocol("ftp")) == (httpx2.UnsupportedProtocol, [])


def test_where_nobody_answers_it_is_given_up_sooner() -> None:
    nobody = httpx2.ConnectError("refused")
    assert waits(nobody, nobody) == (httpx2.ConnectError, [0.5])


def test_what_servers_ask_to_wait() -> None:
    assert retry_after("120") == 120
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412400.0) == 80
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412500.0) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None
