from __future__ import annotations

import math

import numpy as np
import pytest

from backends.llama_cpp.logprobs import HeldEntries, log_softmax, logprob_entry

LOGITS = np.log(np.array([0.1, 0.6, 0.3], np.float32))
PIECES = [b"a", b"b", b"\xf0"]


def test_log_softmax_sums_to_one() -> None:
    assert float(np.exp(log_softmax(LOGITS + 50)).sum()) == pytest.approx(1)


def test_an_entry_lists_the_likeliest_first() -> None:
    entry = logprob_entry(LOGITS, 0, 2, PIECES.__getitem__)
    assert entry["token"] == "a"
    assert entry["logprob"] == pytest.approx(math.log(0.1), abs=1e-6)
    assert [other["bytes"] for other in entry["top_logprobs"]] == [[98], [0xF0]]


def test_an_entry_without_alternatives() -> None:
    assert logprob_entry(LOGITS, 1, 0, PIECES.__getitem__)["top_logprobs"] == []


def test_what_is_impossible_stays_a_number() -> None:
    logits = np.array([0.0, -np.inf], np.float32)
    assert logprob_entry(logits, 1, 0, PIECES.__getitem__)["logprob"] == -9999.0


def test_entries_come_with_the_start_of_their_text() -> None:
    held = HeldEntries()
    for token in ("ab", "cd", "ef"):
        held.add({"token": token, "bytes": list(token.encode())})
    assert [entry["token"] for entry in held.release("abc")] == ["ab", "cd"]
    assert held.release("d") == []
    assert [entry["token"] for entry in held.release("e")] == ["ef"]
