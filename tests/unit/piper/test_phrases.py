"""What is spoken in one go."""

from __future__ import annotations

import pytest

from backends.piper.phrases import LONGEST, Phrase, phrases_of, plain_text


def test_sentence_is_a_phrase() -> None:
    sentences = [list("helo."), list("by!")]
    assert phrases_of(sentences) == [Phrase(list("helo.")), Phrase(list("by!"))]


@pytest.mark.parametrize("nothing", [[], [[]], [[" "]]])
def test_nothing_is_no_phrase(nothing: list[list[str]]) -> None:
    assert phrases_of(nothing) == []


@pytest.mark.parametrize(
    ("sentence", "cut"),
    [
        ("a" * 250 + ", " + "word " * 200, 251),  # a comma in the second half
        ("a, " + "word " * 200, LONGEST - 2),  # else a space
        ("a" * 1000, LONGEST),  # else anywhere
    ],
)
def test_long_sentence_is_cut_where_it_is_heard_least(sentence: str, cut: int) -> None:
    first, *rest = phrases_of([list(sentence)])
    assert first.begins
    assert not any(phrase.begins for phrase in rest)
    assert len(first.phonemes) == cut
    assert "".join("".join(phrase.phonemes) for phrase in (first, *rest)) == sentence
    assert max(len(phrase.phonemes) for phrase in (first, *rest)) <= LONGEST


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a\0b", "a b"), ("see [[here]]", "see [ [here]]"), ("[a]", "[a]"), ("[[[x]]", "[ [ [x]]")],
)
def test_text_is_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert "[[" not in plain_text(text)
