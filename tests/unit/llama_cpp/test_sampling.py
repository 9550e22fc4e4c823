from __future__ import annotations

import math

import pytest

from backends.llama_cpp.sampling import SamplingParameters
from localai.errors import InvalidRequest
from localai.protocol.requests import CompletionRequest

OWN = SamplingParameters()


def request(**fields: object) -> CompletionRequest:
    return CompletionRequest.model_validate({"prompt": "x", **fields})


def test_the_files_recommendations_replace_the_defaults() -> None:
    metadata = {"general.sampling.temp": "0.6", "general.sampling.top_k": "20"}
    parameters = SamplingParameters.from_metadata(metadata.get)
    assert parameters.temperature == pytest.approx(0.6)
    assert parameters.top_k == 20
    assert parameters.min_p == OWN.min_p


def test_the_caller_has_the_last_word() -> None:
    asked = request(temperature=0.0, top_p=0.5, seed=7)
    parameters = OWN.overridden(asked, 100)
    assert (parameters.temperature, parameters.top_p, parameters.seed) == (0.0, 0.5, 7)
    assert parameters.min_p == OWN.min_p


def test_a_bias_of_minus_100_bans() -> None:
    bias = OWN.overridden(request(logit_bias={"3": -100, "4": 5.0}), 100).logit_bias
    assert bias == {3: -math.inf, 4: 5.0}


@pytest.mark.parametrize("key", ["100", "-1", "x", "1.0", "", "²"])
def test_a_bias_for_no_token_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="logit_bias") as caught:
        OWN.overridden(request(logit_bias={key: 1.0}), 100)
    assert caught.value.param == "logit_bias"


def test_choices_have_seeds_of_their_own() -> None:
    seeded = OWN.overridden(request(seed=5), 100)
    assert [seeded.for_choice(number).seed for number in range(3)] == [5, 6, 7]
    assert OWN.for_choice(1).seed is None
