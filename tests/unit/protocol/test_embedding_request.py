from __future__ import annotations

from typing import Any

import pytest

from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_request
from localai.protocol.embeddings import MOST_INPUTS, EmbeddingRequest


def parsed(**fields: Any) -> EmbeddingRequest:
    return parse_request(EmbeddingRequest, fields)


@pytest.mark.parametrize(
    ("asked", "inputs"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (["a"] * MOST_INPUTS, ["a"] * MOST_INPUTS),
        # Token ids of one text are one input, however many they are.
        ([7] * 5000, [[7] * 5000]),
    ],
)
def test_inputs_come_one_by_one(asked: Any, inputs: list[Any]) -> None:
    assert parsed(input=asked).inputs() == inputs


@pytest.mark.parametrize(
    "asked",
    ["", [], [""], [[]], ["a", ""], [-1], [[1], [-1]], ["a"] * 2049, [[1]] * 2049, 5, [1.5]],
)
def test_what_is_no_input_is_refused_by_name(asked: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(input=asked)
    assert (refused.value.param or "").startswith("input")


@pytest.mark.parametrize("field", [{"dimensions": 0}, {"encoding_format": "int8"}])
def test_so_are_other_values(field: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(input="a", **field)
    assert refused.value.param in field
