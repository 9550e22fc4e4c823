"""Requests to prompts: the tokens that the engine reads."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.llama_cpp.control_tokens import ControlTokens
from backends.llama_cpp.engine.model import Model
from backends.llama_cpp.template import CHATML, ChatTemplate
from localai.errors import InvalidRequest
from localai.protocol.requests import Message

log = logging.getLogger(__name__)


class PromptWriter:
    """Writes prompts for one model."""

    def __init__(self, model: Model, template: str | None) -> None:
        self._vocabulary = vocabulary = model.vocabulary
        self._controls = ControlTokens(vocabulary.control_texts())
        source = template or model.chat_template()
        if source is None:
            log.warning("%s has no chat template; ChatML is used", model.path)
        self._template = ChatTemplate(
            source or CHATML,
            bos=vocabulary.text(vocabulary.bos),
            eos=vocabulary.text(vocabulary.eos),
        )

    def chat(self, messages: Sequence[Message]) -> NDArray[np.int32]:
        """Return the prompt for a conversation."""
        plain = self._controls.take_out(self._template.messages(messages))
        pieces = self._controls.split(self._template.render(plain))
        tokens = [self._vocabulary.tokenize(text, special=special) for text, special in pieces]
        prompt = np.concatenate(tokens) if tokens else np.zeros(0, np.int32)
        return self._checked(prompt, "messages")

    def completion(self, prompt: str | list[int]) -> NDArray[np.int32]:
        """Return the prompt for a text to be continued; its control tokens are meant as such."""
        if isinstance(prompt, str):
            return self._checked(self._vocabulary.tokenize(prompt, special=True), "prompt")
        size = self._vocabulary.size
        wrong = next((token for token in prompt if not 0 <= token < size), None)
        if wrong is not None:
            raise InvalidRequest(
                f"Invalid 'prompt': {wrong} is no token id of this model, "
                f"which has the ids 0 to {size - 1}.",
                param="prompt",
            )
        return self._checked(np.array(prompt, np.int32), "prompt")

    def _checked(self, tokens: NDArray[np.int32], param: str) -> NDArray[np.int32]:
        prompt = self._vocabulary.with_bos(tokens)
        if not len(prompt):
            raise InvalidRequest(f"Invalid '{param}': there is nothing to answer.", param=param)
        return prompt
