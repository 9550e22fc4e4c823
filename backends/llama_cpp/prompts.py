"""Requests to prompts: the tokens that the engine reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backends.llama_cpp.attachments import Attachments, MediaMarks, media_of
from backends.llama_cpp.control_tokens import ControlTokens
from backends.llama_cpp.engine.media import Piece, Projector, Span, spans_of
from backends.llama_cpp.engine.model import Model
from backends.llama_cpp.template import CHATML, ChatTemplate
from localai.errors import InvalidRequest
from localai.protocol.requests import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine reads: tokens, with numbers below 0 at the places of its spans."""

    tokens: NDArray[np.int32]
    spans: dict[int, Span] = field(default_factory=dict)


class PromptWriter:
    """Writes prompts for one model."""

    def __init__(self, model: Model, template: str | None, projector: Projector | None) -> None:
        self._vocabulary = vocabulary = model.vocabulary
        self._attachments = Attachments(projector)
        self._controls = ControlTokens(vocabulary.control_texts())
        source = template or model.chat_template()
        if source is None:
            log.warning("%s has no chat template; ChatML is used", model.path)
        self._template = ChatTemplate(
            source or CHATML,
            bos=vocabulary.text(vocabulary.bos),
            eos=vocabulary.text(vocabulary.eos),
        )

    def chat(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt for a conversation; its spans are still to be filled.

        Raises InvalidRequest for media that cannot be read, or that the model cannot take.
        """
        marks = MediaMarks()
        media: list[list[Piece]] = []
        for part, param in media_of(messages):
            media.append(self._attachments.read(part, param))
        plain = self._controls.take_out(self._template.messages(marks.put_in(messages)))
        pieces: list[Piece] = []
        for piece in marks.split(self._template.render(plain)):
            pieces += media[piece] if isinstance(piece, int) else self._tokens(piece)
        tokens, spans = spans_of(pieces)
        _check_end(len(tokens), spans)
        prompt = self._checked(tokens, "messages")
        added = len(prompt) - len(tokens)  # the token that begins a text
        return Prompt(prompt, {start + added: span for start, span in spans.items()})

    def _tokens(self, text: str) -> list[Piece]:
        return [
            self._vocabulary.tokenize(piece, special=special)
            for piece, special in self._controls.split(text)
        ]

    def completion(self, prompt: str | list[int]) -> Prompt:
        """Return the prompt for a text to be continued; its control tokens are meant as such."""
        if isinstance(prompt, str):
            return Prompt(self._checked(self._vocabulary.tokenize(prompt, special=True), "prompt"))
        size = self._vocabulary.size
        wrong = next((token for token in prompt if not 0 <= token < size), None)
        if wrong is not None:
            raise InvalidRequest(
                f"Invalid 'prompt': {wrong} is no token id of this model, "
                f"which has the ids 0 to {size - 1}.",
                param="prompt",
            )
        return Prompt(self._checked(np.array(prompt, np.int32), "prompt"))

    def _checked(self, tokens: NDArray[np.int32], param: str) -> NDArray[np.int32]:
        prompt = self._vocabulary.with_bos(tokens)
        if not len(prompt):
            raise InvalidRequest(f"Invalid '{param}': there is nothing to answer.", param=param)
        return prompt


def _check_end(length: int, spans: Mapping[int, Span]) -> None:
    # The first token of an answer is chosen from what the model makes of the last one of text.
    if any(start + span.count == length for start, span in spans.items()):
        raise InvalidRequest(
            "The prompt ends with a picture or recording, and the model answers only after text: "
            "set `options.chat_template` in the card to a template that begins the answer, or send "
            "text last.",
            param="messages",
        )
