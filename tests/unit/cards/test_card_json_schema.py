from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from localai.cards.json_schema import card_schema
from tests.unit.cards.samples import backends

VALIDATOR = jsonschema.Draft202012Validator(card_schema(backends()))

FULL: dict[str, Any] = {
    "name": "qwen3-4b",
    "aliases": ["gpt-4"],
    "backend": "llama_cpp",
    "model": "m.gguf",
    "capabilities": ["chat"],
    "files": [{"path": "a", "uri": "b"}],
    "defaults": {"temperature": 0.5, "stop": ["a"]},
    "limits": {"queue": 3, "queue_timeout": "1m"},
    "keep_alive": "5m",
    "options": {"n_ctx": 512},
}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize(
    "card",
    [
        FULL,
        {"name": "echo", "backend": "echo"},
        {"name": "echo", "backend": "echo", "keep_alive": -1},
        {"name": "echo", "backend": "echo", "options": {"mode": None, "words": 3}},
    ],
)
def test_good_cards_pass(card: dict[str, Any]) -> None:
    VALIDATOR.validate(card)


@pytest.mark.parametrize(
    "change",
    [
        {"nme": "a"},
        {"name": "a b"},
        {"backend": "nothing"},
        {"model": None},
        {"capabilities": ["sing"]},
        {"defaults": {"temprature": 1}},
        {"defaults": {"temperature": 3}},
        {"limits": {"queue": -1}},
        {"keep_alive": []},
        {"options": {"n_ctx": 1}},
        {"options": {"delay": 1}},
    ],
)
def test_bad_cards_fail(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(FULL | change)


def test_a_backend_that_needs_a_model_requires_it() -> None:
    assert not VALIDATOR.is_valid({"name": "a", "backend": "llama_cpp"})
