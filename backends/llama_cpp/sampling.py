"""How the next token is chosen: one chain of llama.cpp's samplers for each answer."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from localai.errors import InvalidRequest
from localai.protocol.requests import Sampling

REPEAT_WINDOW = 64
"""How many of the last tokens `repeat_penalty` looks at, the prompt's included."""
ANSWER_WINDOW = 65536
"""How many tokens of the answer OpenAI's two penalties look at: all, in practice."""
BAN = -100.0
"""OpenAI: a bias of -100 bans a token, whatever its logit."""


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """What decides over the next token; the defaults are OpenAI's, with one guard.

    OpenAI samples from the whole vocabulary at temperature 1. Small models then now and then pick
    a token from the long tail that ruins the answer, hence `min_p`: what is less than 1/20 as
    likely as the likeliest token is never picked.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def from_metadata(cls, metadata: Callable[[str], str | None]) -> Self:
        """Return the defaults that the model file recommends in `general.sampling.*`."""

        def recommended(key: str, default: float) -> float:
            value = metadata(f"general.sampling.{key}")
            return default if value is None else float(value)

        own = cls()
        return cls(
            temperature=recommended("temp", own.temperature),
            top_k=int(recommended("top_k", own.top_k)),
            top_p=recommended("top_p", own.top_p),
            min_p=recommended("min_p", own.min_p),
            repeat_penalty=recommended("penalty_repeat", own.repeat_penalty),
        )

    def overridden(self, request: Sampling, vocabulary_size: int) -> Self:
        """Return these parameters with what `request` asks for in their place.

        Raises InvalidRequest when `logit_bias` names a token that the vocabulary lacks.
        """
        asked = {
            name: value
            for name in self.__slots__
            if name != "logit_bias" and (value := getattr(request, name)) is not None
        }
        return replace(
            self, **asked, logit_bias=_parse_bias(request.logit_bias or {}, vocabulary_size)
        )

    def for_choice(self, number: int) -> Self:
        """Return the parameters of choice `number`: its own seed, so that choices differ."""
        return self if self.seed is None else replace(self, seed=self.seed + number)


def _parse_bias(bias: Mapping[str, float], vocabulary_size: int) -> dict[int, float]:
    parsed = {}
    for key, value in bias.items():
        if not (key.isascii() and key.isdigit() and int(key) < vocabulary_size):
            raise InvalidRequest(
                f"Invalid 'logit_bias': '{key}' is no token id of this model, "
                f"which has the ids 0 to {vocabulary_size - 1}.",
                param="logit_bias",
            )
        parsed[int(key)] = -math.inf if value <= BAN else value
    return parsed


class Sampler:
    """A chain of samplers with the memory of one answer; to be closed."""

    def __init__(
        self, parameters: SamplingParameters, vocabulary_size: int, prompt: NDArray[np.int32]
    ) -> None:
        settings = llama_cpp.llama_sampler_chain_default_params()
        settings.no_perf = True
        self._chain = llama_cpp.llama_sampler_chain_init(settings)
        for sampler in _links(parameters, vocabulary_size, prompt):
            llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    def sample(self, context: llama_cpp.llama_context_p, row: int) -> int:
        """Choose from the logits of batch row `row` and remember the choice."""
        token: int = llama_cpp.llama_sampler_sample(self._chain, context, row)
        return token

    def close(self) -> None:
        """Free the chain; only once."""
        llama_cpp.llama_sampler_free(self._chain)


def _links(
    parameters: SamplingParameters, vocabulary_size: int, prompt: NDArray[np.int32]
) -> list[llama_cpp.llama_sampler_p]:
    """Return the samplers in their order; those without effect are left out."""
    links = []
    if parameters.logit_bias:
        links.append(_bias_link(parameters.logit_bias, vocabulary_size))
    links += _penalty_links(parameters, vocabulary_size, prompt)
    if parameters.temperature <= 0:
        return [*links, llama_cpp.llama_sampler_init_greedy()]
    if parameters.top_k > 0:
        links.append(llama_cpp.llama_sampler_init_top_k(parameters.top_k))
    # `top_p` sorts what it gets: 8 ms for each token of a large vocabulary, unless `min_p`, which
    # takes one look at each, has thinned it out.
    if parameters.min_p > 0:
        links.append(llama_cpp.llama_sampler_init_min_p(parameters.min_p, 1))
    if parameters.top_p < 1:
        links.append(llama_cpp.llama_sampler_init_top_p(parameters.top_p, 1))
    links.append(llama_cpp.llama_sampler_init_temp(parameters.temperature))
    links.append(llama_cpp.llama_sampler_init_dist(_seed(parameters.seed)))
    return links


def _bias_link(bias: Mapping[int, float], vocabulary_size: int) -> llama_cpp.llama_sampler_p:
    entries = [llama_cpp.llama_logit_bias(token, value) for token, value in bias.items()]
    array = (llama_cpp.llama_logit_bias * len(entries))(*entries)
    link: llama_cpp.llama_sampler_p = llama_cpp.llama_sampler_init_logit_bias(
        vocabulary_size, len(entries), array
    )
    return link


def _penalty_links(
    parameters: SamplingParameters, vocabulary_size: int, prompt: NDArray[np.int32]
) -> list[llama_cpp.llama_sampler_p]:
    links = []
    if parameters.repeat_penalty != 1:
        link = llama_cpp.llama_sampler_init_penalties(
            vocabulary_size, REPEAT_WINDOW, parameters.repeat_penalty, 0.0, 0.0
        )
        for token in prompt[-REPEAT_WINDOW:].tolist():
            llama_cpp.llama_sampler_accept(link, token)
        links.append(link)
    if parameters.frequency_penalty or parameters.presence_penalty:
        # OpenAI's two penalties count the whole answer and nothing of the prompt.
        frequency, presence = parameters.frequency_penalty, parameters.presence_penalty
        link = llama_cpp.llama_sampler_init_penalties(
            vocabulary_size, ANSWER_WINDOW, 1.0, frequency, presence
        )
        links.append(link)
    return links


def _seed(seed: int | None) -> int:
    """Return 32 bits of `seed`; llama.cpp takes the largest value for "random", so never that."""
    bits = secrets.randbits(32) if seed is None else seed & 0xFFFFFFFF
    return min(bits, 0xFFFFFFFE)
