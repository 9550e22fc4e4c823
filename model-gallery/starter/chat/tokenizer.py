"""The byte-level BPE tokenizer of the model and the encoding of conversations."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from .dialogue import Conversation

END_OF_TEXT = "<|endoftext|>"
MESSAGE_START = "<|im_start|>"
MESSAGE_END = "<|im_end|>"
RESERVED = tuple(f"<|reserved_{number}|>" for number in range(13))
SPECIAL = (END_OF_TEXT, MESSAGE_START, MESSAGE_END, *RESERVED)


@dataclass(frozen=True)
class Sample:
    """Token ids of a conversation and, for each, whether the model must learn to write it."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Train the tokenizer; digits are left out so that each stays a token of its own."""
    tokenizer = dress(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((re.sub(r"\d", "", text) for text in texts), trainer)
    return tokenizer


def dress(tokenizer: Tokenizer) -> Tokenizer:
    """Give a tokenizer the splitting of GPT-2, which the engine calls gpt-2."""
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def merges_of(tokenizer: Tokenizer) -> list[str]:
    """Return the merges in the form that the model file stores."""
    merges: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(pair) for pair in merges]


def encode_plain(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Encode texts without adding anything."""
    batch = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [encoding.ids for encoding in batch]


class ConversationEncoder:
    """Writes conversations as token ids in the form of the chat template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        (self._start,), (self._end,) = encode_plain(tokenizer, [MESSAGE_START, MESSAGE_END])
        names = ("system", "user", "assistant")
        heads = encode_plain(tokenizer, [f"{name}\n" for name in names])
        self._heads = dict(zip(names, heads, strict=True))
        self._newline = encode_plain(tokenizer, ["\n"])[0]

    def encode(self, conversations: Sequence[Conversation]) -> list[Sample]:
        """Encode conversations; only replies and their end are to be learned."""
        pairs = [conversation.messages() for conversation in conversations]
        texts = [text for messages in pairs for _, text in messages]
        bodies = iter(self._bodies(texts))
        return [self._sample([(role, next(bodies)) for role, _ in item]) for item in pairs]

    def _bodies(self, texts: Sequence[str]) -> list[list[int]]:
        return encode_plain(self._tokenizer, texts)

    def _sample(self, messages: list[tuple[str, list[int]]]) -> Sample:
        ids: list[int] = []
        learned: list[bool] = []
        for role, body in messages:
            head = [self._start, *self._heads[role]]
            ids += [*head, *body, self._end, *self._newline]
            learned += [False] * len(head)
            learned += [role == "assistant"] * (len(body) + 1)
            learned += [False] * len(self._newline)
        return Sample(tuple(ids), tuple(learned))
