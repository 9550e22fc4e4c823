"""Logarithms of probabilities, token by token."""

from __future__ import annotations

import pytest

from backends.faster_whisper.certainty import Certainty


class Vocabulary:
    """Four tokens of a byte-level vocabulary, one of them half a letter, and a special one."""

    tokens = ["Ġhello", "Ġw", "Ã", "¤", "<|endoftext|>"]

    def id_to_token(self, token: int) -> str:
        return self.tokens[token]

    def token_to_id(self, token: str) -> int:
        return self.tokens.index(token)


def certainty(*noted: tuple[int, float]) -> Certainty:
    told = Certainty(Vocabulary())
    told.noted.extend(noted)
    return told


def test_tokens_carry_their_bytes_and_logprobs() -> None:
    (entry,) = certainty((0, 0.5)).logprobs([5, 0, 7])
    assert entry["token"] == " hello"
    assert entry["logprob"] == pytest.approx(-0.693, abs=0.001)
    assert entry["bytes"] == list(b" hello")


def test_half_letters_are_told_apart_by_their_bytes() -> None:
    first, second = certainty((2, 1.0), (3, 1.0)).logprobs([2, 3])
    assert bytes([*first["bytes"], *second["bytes"]]).decode() == "ä"


def test_segments_take_theirs_in_order_and_dropped_ones_are_passed_over() -> None:
    told = certainty((0, 0.9), (1, 0.8), (1, 0.7), (0, 0.6))
    assert len(told.logprobs([0])) == 1
    assert [round(2.718281828 ** e["logprob"], 2) for e in told.logprobs([1, 0])] == [0.7, 0.6]
    assert told.noted == []


def test_impossible_tokens_have_a_finite_logprob() -> None:
    (entry,) = certainty((0, 0.0)).logprobs([0])
    assert -100 < entry["logprob"] < -50


def test_tokens_that_were_not_noted_have_none() -> None:
    assert certainty((0, 0.5)).logprobs([1]) == []
    assert certainty((0, 0.5)).logprobs([9]) == []
