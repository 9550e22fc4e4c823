from __future__ import annotations

import json
from typing import cast

import pytest

from localai.api.openai.stand_in import explained
from localai.cards.resolved import ResolvedCard


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name


def card(name: str) -> ResolvedCard:
    return cast(ResolvedCard, _Named(name))


def test_a_refusal_names_the_model_that_was_asked_for_and_where_it_is() -> None:
    refused = {"error": {"message": "The model 'starter-chat' cannot honour 'tools'.", "code": "x"}}
    told = json.loads(explained(json.dumps(refused).encode(), card("gpt-4o"), card("starter-chat")))

    assert told["error"]["code"] == "x"
    assert told["error"]["message"] == (
        "The model 'starter-chat' cannot honour 'tools'. That is 'starter-chat', which answers "
        "until 'gpt-4o' is here: GET /models/jobs tells how far that is."
    )


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"error": "x"}', b"3"])
def test_what_is_no_error_of_ours_stays_as_it_is(body: bytes) -> None:
    assert explained(body, card("a"), card("b")) == body
