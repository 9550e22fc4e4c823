"""Batches of text and batches of conversations about pictures, without end and by seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from chat.corpus import Corpus
from chat.dialogue import Conversation
from chat.tokenizer import RESERVED, ConversationEncoder, Sample, encode_plain
from chat.train import Batch, group, pack
from pictures.scene import Scene
from tokenizers import Tokenizer

from .first_look import Look, look, some_scene
from .talks import MEDIA, Talks, alone

POOL = 400
BLIND_SHARE = 0.05
WORDLESS_SHARE = 0.02


class PictureEncoder(ConversationEncoder):
    """Writes conversations as token ids, each media marker as the places of one picture."""

    def __init__(self, tokenizer: Tokenizer, places: int) -> None:
        super().__init__(tokenizer)
        self._tokenizer = tokenizer
        (self.mark,) = encode_plain(tokenizer, [RESERVED[0]])[0]
        self._places = [self.mark] * places

    def _bodies(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode what is between the markers piece by piece, as the engine does."""
        return [self._body(text) for text in texts]

    def _body(self, text: str) -> list[int]:
        first, *others = encode_plain(self._tokenizer, text.split(MEDIA))
        return [*first, *(number for other in others for number in (*self._places, *other))]


@dataclass(frozen=True)
class PictureBatch:
    """Token ids with places for pictures, and those pictures in their order."""

    words: Batch
    looks: list[Look]


class Lessons:
    """Makes batches."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        places: int,
        seed: int,
        copying_first: int = 0,
        long: float = 0.0,
    ) -> None:
        self._long = long
        self._random = Random(seed)
        self._corpus = Corpus(seed, copying_first)
        self._talks = Talks(self._corpus, self._random)
        self.encoder = PictureEncoder(tokenizer, places)

    def texts(self, most: int) -> Iterator[Batch]:
        """Yield batches without pictures, of at most `most` tokens."""
        while True:
            samples = self.encoder.encode([self._conversation() for _ in range(POOL)])
            groups = list(group(samples, most))
            self._random.shuffle(groups)
            yield from (pack(chosen) for chosen in groups)

    def pictures(self, most: int) -> Iterator[PictureBatch]:
        """Yield batches with pictures, of at most `most` tokens."""
        while True:
            talks = [self._talk() for _ in range(POOL)]
            samples = self.encoder.encode([conversation for conversation, _ in talks])
            scenes = {id(sample): talk[1] for sample, talk in zip(samples, talks, strict=True)}
            groups = list(group(samples, most))
            self._random.shuffle(groups)
            for chosen in groups:
                yield self._batch(chosen, [scenes[id(sample)] for sample in chosen])

    def _batch(self, samples: list[Sample], scenes: list[tuple[Scene, ...]]) -> PictureBatch:
        looks = [look(scene, self._random, long=self._long) for shown in scenes for scene in shown]
        return PictureBatch(pack(samples), looks)

    def _talk(self) -> tuple[Conversation, tuple[Scene, ...]]:
        if self._random.random() < WORDLESS_SHARE:
            scene = some_scene(self._random)
            return alone(scene), (scene,)
        talk = self._talks.talk()
        return talk.conversation, talk.scenes

    def _conversation(self) -> Conversation:
        if self._random.random() < BLIND_SHARE:
            return self._talks.blind()
        return self._corpus.conversation()
