from __future__ import annotations

from typing import Any

import pytest

from localai.api.openai.bodies import resolve_body
from localai.protocol.audio import TranscriptionRequest
from localai.protocol.images import ImageEditRequest, ImageRequest
from localai.protocol.requests import ChatRequest, CompletionRequest
from localai.protocol.wire import Wire

SAID = {"messages": [{"role": "user", "content": "x"}], "model": "alias"}


def resolved(body: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """Return what a worker gets beside the messages."""
    answer = resolve_body(SAID | body, ChatRequest, defaults, "card")
    assert answer.pop("messages") == SAID["messages"]
    return answer


def test_the_card_fills_in_what_the_caller_left_out() -> None:
    assert resolved({"top_p": 0.5}, temperature=0.2, top_p=0.9) == {
        "model": "card",
        "temperature": 0.2,
        "top_p": 0.5,
    }


def test_null_counts_as_left_out() -> None:
    assert resolved({"temperature": None}, temperature=0.2)["temperature"] == 0.2
    assert "stop" not in resolved({"stop": None})


@pytest.mark.parametrize("value", [0, False, "", []])
def test_a_value_that_python_takes_for_false_is_said(value: object) -> None:
    assert resolved({"seed": value}, seed=5)["seed"] == value


def test_the_worker_is_called_by_the_name_of_its_card() -> None:
    assert resolved({"model": "gpt-4"})["model"] == "card"
    assert resolve_body({}, ChatRequest, {}, "card") == {"model": "card"}


def test_unknown_fields_go_on_so_that_the_worker_can_name_them() -> None:
    assert resolved({"zebra": {"deep": None}})["zebra"] == {"deep": None}


@pytest.mark.parametrize("said", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("default", ["max_tokens", "max_completion_tokens"])
def test_the_callers_answer_limit_stands_under_either_name(said: str, default: str) -> None:
    assert resolved({said: 5}, **{default: 99}) == {"model": "card", said: 5}


def test_the_cards_answer_limit_counts_when_the_caller_has_none() -> None:
    assert resolved({"max_tokens": None}, max_tokens=99)["max_tokens"] == 99


def test_defaults_that_the_route_does_not_know_stay_away() -> None:
    defaults = {"verbosity": "low", "best_of": 2, "temperature": 0.5}
    answer = resolve_body({"prompt": "x"}, CompletionRequest, defaults, "card")
    assert answer == {"prompt": "x", "model": "card", "best_of": 2, "temperature": 0.5}


def test_the_callers_body_is_not_touched() -> None:
    body = {"temperature": None, "model": "alias"}
    resolve_body(body, ChatRequest, {"temperature": 1}, "card")
    assert body == {"temperature": None, "model": "alias"}


DRAW: dict[str, Any] = {"prompt": "x"}
HEAR: dict[str, Any] = {"file": "/a"}
WEBP = {"output_format": "webp", "output_compression": 80}
JPEG = {"output_compression": 80, "output_format": "jpeg"}


@pytest.mark.parametrize(
    ("kind", "said", "defaults", "left"),
    [
        (ImageRequest, DRAW, WEBP, WEBP),
        (ImageRequest, DRAW | {"output_format": "jpeg"}, WEBP, {"output_compression": 80}),
        (ImageRequest, DRAW | {"output_format": "png"}, WEBP, {}),
        (ImageRequest, DRAW | {"output_format": "png"}, WEBP | {"seed": 1}, {"seed": 1}),
        (ImageRequest, DRAW | {"background": "transparent"}, WEBP, WEBP),
        (ImageRequest, DRAW | {"background": "transparent"}, {"n": 2, **JPEG}, {"n": 2}),
        (ImageRequest, DRAW | {"stream": True}, {"response_format": "url"}, {}),
        (ImageRequest, DRAW | {"stream": False}, {"response_format": "url"}, None),
        (ImageEditRequest, DRAW | {"images": ["/a"], "output_format": "png"}, WEBP, {}),
        (TranscriptionRequest, HEAR | {"stream": True}, {"response_format": "verbose_json"}, {}),
        (TranscriptionRequest, HEAR | {"stream": True}, {"response_format": "text"}, None),
        (TranscriptionRequest, HEAR | {"include": ["logprobs"]}, {"response_format": "text"}, {}),
        (TranscriptionRequest, HEAR, {"response_format": "srt", "temperature": 0.5}, None),
    ],
)
def test_a_default_yields_to_what_the_caller_said(
    kind: type[Wire], said: dict[str, Any], defaults: dict[str, Any], left: dict[str, Any] | None
) -> None:
    kept = defaults if left is None else left
    assert resolve_body(said, kind, defaults, "card") == said | kept | {"model": "card"}
