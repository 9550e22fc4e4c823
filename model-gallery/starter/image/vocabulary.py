"""Learns the byte-level vocabulary of the text encoder from the words of the prompts."""

import json
import re

from pictures import all_scenes, is_held_out, phrasings
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .model import TEXT_LENGTH, TextTokenizer, transformers

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
OTHER_WORDS = ("shape", "shapes", "background")


def train_vocabulary() -> TextTokenizer:
    """Return a tokenizer that knows the words of the prompts and spells all others in bytes."""
    merges = _merges(_words())
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}{WORD_END}" for letter in letters)]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    for special in (START, END):
        vocabulary[special] = len(vocabulary)
    return transformers.CLIPTokenizer(vocabulary, merges, model_max_length=TEXT_LENGTH)


def _words() -> list[str]:
    """Return every word of the prompts that may be learned, once, in order."""
    words = set(OTHER_WORDS)
    for scene in all_scenes():
        if not is_held_out(scene):
            words.update(*(re.findall(r"[a-z]+|\d", text.lower()) for text in phrasings(scene)))
    return sorted(words)


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of pieces to join, in order, until every word is one piece."""
    learned = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learned.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=4096, min_frequency=0, end_of_word_suffix=WORD_END, show_progress=False
    )
    learned.train_from_iterator(words, trainer)
    return [(one, other) for one, other in json.loads(learned.to_str())["model"]["merges"]]
