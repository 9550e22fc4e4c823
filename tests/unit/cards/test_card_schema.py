from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from localai.cards.schema import Card


def test_two_lines_are_a_full_card() -> None:
    card = Card(name="echo", backend="echo")

    assert (card.limits.max_concurrent, card.limits.queue) == (8, 64)
    assert card.keep_alive is None
    assert card.capabilities is None
    assert not card.lenient


def test_keep_alive_is_seconds_and_minus_one_pins() -> None:
    assert (
        Card.model_validate({"name": "a", "backend": "b", "keep_alive": "1h30m"}).keep_alive == 5400
    )
    pinned = Card.model_validate({"name": "a", "backend": "b", "keep_alive": -1})
    assert pinned.keep_alive == math.inf


@pytest.mark.parametrize("name", ["a", "qwen3-4b", "org/name:Q4_K.M", "gpt-4.1", "0b"])
def test_names_that_models_have_are_taken(name: str) -> None:
    assert Card(name=name, backend="echo").name == name


@pytest.mark.parametrize(
    "name", ["", "a b", "../a", "a/../b", "/a", "a/", "a//b", ".a", "a\n", "ä", "x" * 201]
)
def test_names_that_could_be_paths_or_worse_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be a model's name"):
        Card(name=name, backend="echo")


def test_digest_follows_the_content() -> None:
    card = Card(name="a", backend="echo", defaults={"temperature": 0.5})

    assert card.digest == Card(name="a", backend="echo", defaults={"temperature": 0.5}).digest
    assert card.digest != Card(name="a", backend="echo", defaults={"temperature": 0.6}).digest
    assert card.digest != card.model_copy(update={"aliases": ("b",)}).digest


def test_digest_of_a_pinned_card_exists() -> None:
    assert len(Card(name="a", backend="b", keep_alive=math.inf).digest) == 64


def test_defaults_keep_only_what_was_written() -> None:
    card = Card(name="a", backend="b", defaults={"temperature": 0, "stop": ["x"]})

    assert card.defaults == {"temperature": 0, "stop": ["x"]}
