from __future__ import annotations

import pytest

from localai.errors import UnsupportedParameter
from localai.protocol.requests import ChatRequest
from localai.worker.parameters import check_parameters

HONOURED = frozenset({"temperature", "seed"})


def chat(**fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"messages": [{"role": "user", "content": "x"}], **fields})


def test_honoured_parameters_and_defaults_pass() -> None:
    request = chat(temperature=0.5, seed=1, n=1, logprobs=False, user="me")
    assert check_parameters(request, HONOURED, model="m", lenient=False) == []


def test_a_known_parameter_that_cannot_be_honoured_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        check_parameters(chat(top_k=5, temperature=1), HONOURED, model="org/m", lenient=False)
    error = caught.value
    assert (error.status, error.param, error.code) == (400, "top_k", "unsupported_parameter")
    assert "'org/m'" in error.message
    assert "lenient: true" in error.message


def test_the_first_of_several_is_named() -> None:
    request = chat(verbosity="low", min_p=0.5, top_k=1)
    with pytest.raises(UnsupportedParameter) as caught:
        check_parameters(request, HONOURED, model="m", lenient=False)
    assert caught.value.param == "min_p"


def test_a_lenient_model_names_what_it_ignores() -> None:
    request = chat(top_k=5, min_p=0.5, zebra=1, apple=2, seed=1)
    ignored = check_parameters(request, HONOURED, model="m", lenient=True)
    assert ignored == ["apple", "zebra", "min_p", "top_k"]


def test_unknown_fields_are_named_and_never_refused() -> None:
    assert check_parameters(chat(zebra=1), HONOURED, model="m", lenient=False) == ["zebra"]
