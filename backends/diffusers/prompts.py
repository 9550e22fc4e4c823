"""Prompts as the model reads them: how many tokens, and what to do with long ones."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from typing import Any

import torch

from localai.errors import InvalidRequest

_READ_IN_PIECES = ("StableDiffusionXL", "StableDiffusion")
_NOT_IN_PIECES = ("StableDiffusion3",)


class PromptReader:
    """Counts the tokens of prompts, and encodes those that are longer than one window.

    CLIP reads 77 tokens at a time. For Stable Diffusion 1 to XL a longer prompt is read in several
    pieces, cut between words where there are any, and the denoiser looks at all of them.
    """

    def __init__(self, loaded: Any) -> None:
        own, self._most = _tokenizer_of(loaded)
        # Calls are counted while another is drawn, and a tokenizer serves one thread at a time.
        self._tokenizer = copy.deepcopy(own)
        self._counting = threading.Lock()
        name = type(loaded).__name__
        self._in_pieces = name.startswith(_READ_IN_PIECES) and not name.startswith(_NOT_IN_PIECES)

    def count(self, prompt: str) -> int:
        """Return the tokens of a prompt, without those that mark its ends."""
        if self._tokenizer is None:
            return len(prompt.split())
        with self._counting:
            return len(self._tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids)

    def check(self, prompt: str, param: str) -> None:
        """Raise InvalidRequest for a prompt that the model would cut off unseen."""
        if not self._in_pieces and (tokens := self.count(prompt)) > self._most:
            raise InvalidRequest(
                f"'{param}' has {tokens} tokens, but this model reads {self._most}: shorten it.",
                param=param,
                code="context_length_exceeded",
            )

    def arguments(
        self, pipeline: Any, prompt: str, negative: str | None, is_guided: bool
    ) -> dict[str, Any]:
        """Return how to hand a prompt to `pipeline`: as it is, or encoded piece by piece.

        `is_guided` tells whether it draws away from a negative prompt, which may be none.
        """
        as_text: dict[str, Any] = {"prompt": prompt}
        if negative:
            as_text["negative_prompt"] = negative
        if not self._in_pieces or max(map(self.count, as_text.values())) <= self._most:
            return as_text
        pieces = self._pieces(prompt)
        # None is not the same as an empty one: some models replace it by zeros.
        negatives: list[str | None] = [*self._pieces(negative)] if negative else [None]
        length = max(len(pieces), len(negatives))
        pieces += [""] * (length - len(pieces))
        negatives += ["" if negative else None] * (length - len(negatives))
        encoded = [
            pipeline.encode_prompt(
                prompt=piece,
                device=pipeline._execution_device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=is_guided,
                negative_prompt=negative_piece,
            )
            for piece, negative_piece in zip(pieces, negatives, strict=True)
        ]
        return _joined(encoded)

    def _pieces(self, prompt: str) -> list[str]:
        pieces, current = [], ""
        for word in self._words(prompt):
            longer = f"{current} {word}".strip()
            if current and self.count(longer) > self._most:
                pieces.append(current)
                current = word
            else:
                current = longer
        return [*pieces, current]

    def _words(self, prompt: str) -> Iterator[str]:
        """Give the words of a prompt; one beyond the window, as without spaces, in parts."""
        for word in prompt.split():
            if self.count(word) <= self._most:
                yield word
            else:
                yield from self._parts(word)

    def _parts(self, word: str) -> Iterator[str]:
        start = 0
        for end in range(1, len(word)):
            if self.count(word[start : end + 1]) > self._most:
                yield word[start:end]
                start = end
        yield word[start:]


def _joined(encoded: list[Any]) -> dict[str, Any]:
    """Join the pieces of a prompt; what sums up a whole prompt is taken of the first."""
    names = ["prompt_embeds", "negative_prompt_embeds"]
    joined = {
        name: torch.cat([piece[place] for piece in encoded], dim=1)
        for place, name in enumerate(names)
        if encoded[0][place] is not None
    }
    pooled = dict(
        zip(["pooled_prompt_embeds", "negative_pooled_prompt_embeds"], encoded[0][2:], strict=False)
    )
    return joined | {name: value for name, value in pooled.items() if value is not None}


def _tokenizer_of(loaded: Any) -> tuple[Any, int]:
    """Return the tokenizer that reads most of a prompt, and how many tokens count."""
    for name, most in (("tokenizer_3", 256), ("tokenizer_2", 512)):
        tokenizer = getattr(loaded, name, None)
        if tokenizer is not None and "T5" in type(tokenizer).__name__:
            return tokenizer, most
    tokenizer = getattr(loaded, "tokenizer", None)
    most = int(getattr(tokenizer, "model_max_length", 0) or 0)
    return tokenizer, most - 2 if 2 < most < 100_000 else 100_000
