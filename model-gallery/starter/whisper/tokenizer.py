"""The tokenizer: a byte-level BPE in which every known word is one token, and timestamps."""

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from .sentences import vocabulary

END = "<|endoftext|>"
START = "<|startoftranscript|>"
PREVIOUS = "<|startofprev|>"
NO_SPEECH = "<|nospeech|>"
NO_TIMES = "<|notimestamps|>"
# Text comes first, then the end of text; timestamps follow <|notimestamps|>: faster-whisper
# finds both by their order.
SPECIAL = (
    *(END, START, "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"),
    *(PREVIOUS, NO_SPEECH, NO_TIMES),
)
LAST_TIME = 1500
MOST_TOKENS = 4000


def build_tokenizer() -> Tokenizer:
    """Make the tokenizer from the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_TOKENS,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f" {word}" for word in vocabulary()], trainer)
    times = [f"<|{number * 0.02:.2f}|>" for number in range(LAST_TIME + 1)]
    tokenizer.add_special_tokens([_added(name) for name in SPECIAL])
    tokenizer.add_tokens([_added(name) for name in times])
    return tokenizer


def _added(name: str) -> AddedToken:
    return AddedToken(name, special=name in SPECIAL, normalized=False)


def token_id(tokenizer: Tokenizer, name: str) -> int:
    """Return the id of a token."""
    vocabulary_ids: dict[str, int] = tokenizer.get_vocab()
    return vocabulary_ids[name]


class Codes:
    """Token ids of words, marks and times."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.size: int = tokenizer.get_vocab_size()
        self.end = token_id(tokenizer, END)
        self.start = token_id(tokenizer, START)
        self.previous = token_id(tokenizer, PREVIOUS)
        self.no_speech = token_id(tokenizer, NO_SPEECH)
        self.no_times = token_id(tokenizer, NO_TIMES)
        self.first_time = self.no_times + 1
        self._words: dict[str, int] = {}
        for word in vocabulary():
            (self._words[word],) = tokenizer.encode(f" {word}", add_special_tokens=False).ids

    def words(self, words: Sequence[str]) -> list[int]:
        """Return the ids of words, one for each."""
        return [self._words[word] for word in words]

    def time(self, seconds: float) -> int:
        """Return the id of a moment in a window."""
        return self.first_time + min(LAST_TIME, max(0, round(seconds / 0.02)))
