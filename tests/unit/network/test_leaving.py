"""Questions that are left when nobody wants their answer."""

from __future__ import annotations

import threading

import httpx2
import pytest

from localai.network.asking import ask_patiently
from localai.network.leaving import Left, answer_unless_left


def test_an_answer_and_an_error_are_handed_on() -> None:
    assert answer_unless_left(lambda: 7, threading.Event()) == 7
    assert answer_unless_left(lambda: 7, None) == 7
    with pytest.raises(ZeroDivisionError):
        answer_unless_left(lambda: 1 // 0, threading.Event())


def test_a_question_without_an_answer_is_left() -> None:
    cancel, end = threading.Event(), threading.Event()

    def ask() -> None:
        cancel.set()
        end.wait(60)

    with pytest.raises(Left):
        answer_unless_left(ask, cancel)
    end.set()


def test_nobody_waits_for_a_busy_server_once_it_is_left() -> None:
    cancel, asked = threading.Event(), []

    def ask() -> httpx2.Response:
        asked.append(1)
        cancel.set()
        return httpx2.Response(503, headers={"retry-after": "15"})

    with pytest.raises(Left):
        ask_patiently(ask, cancel=cancel)
    assert asked == [1]
