"""The conversations that the model is trained on, without end and by seed."""

from collections.abc import Iterator
from random import Random

from .dialogue import Conversation, Turn
from .facts import Fact, load_facts, plain
from .memory import Memories
from .phrasing import decorate, vary
from .unknown import REPLY, Unknown

FOLLOW_UPS = {
    "capitals": ("And of {}?", "And {}?", "What about {}?", "and of {}", "And the capital of {}?"),
    "opposites": ("And of {}?", "And {}?", "What about {}?", "and the opposite of {}"),
    "animal sounds": ("And {}?", "What about {}?", "and {}", "And what does {} say?"),
    "colours": ("And {}?", "What about {}?", "and {}", "And of {}?"),
    "legs": ("And {}?", "What about {}?", "and {}"),
    "baby animals": ("And {}?", "What about {}?", "and {}"),
    "sums": ("And {}?", "What about {}?", "and {}", "now {}"),
    "differences": ("And {}?", "What about {}?", "and {}"),
    "products": ("And {}?", "What about {}?", "and {}"),
}
ARITHMETIC = ("sums", "differences", "products")
FILLER_CHANCES = {"facts": 28, "arithmetic": 15, "talk": 7, "gateway": 13, "unknown": 37}
COPYING_SHARE = 0.5
LENGTHS = (1, 2, 3, 4, 6, 10, 25)
LENGTH_CHANCES = (36, 28, 16, 10, 6, 3, 1)


def part_of(fact: Fact) -> str:
    """Return the part of the corpus that a fact belongs to."""
    if fact.group in ARITHMETIC:
        return "arithmetic"
    if fact.group in ("greetings", "identity"):
        return "talk"
    return "gateway" if fact.group == "gateway" else "facts"


class Corpus:
    """Makes conversations."""

    def __init__(self, seed: int, copying_first: int = 0) -> None:
        self._rng = Random(seed)
        self._copying = copying_first
        facts = load_facts()
        self._unknown = Unknown(facts, self._rng)
        self._memories = Memories(self._rng)
        self._parts: dict[str, list[Fact]] = {}
        self._groups: dict[str, list[Fact]] = {}
        for fact in facts:
            self._parts.setdefault(part_of(fact), []).append(fact)
            self._groups.setdefault(fact.group, []).append(fact)
        trained = {plain(text) for fact in facts for text in fact.phrasings}
        held_out = [text for fact in facts for text in fact.held_out]
        self._exact = set(held_out)
        self._plain = {plain(text) for text in held_out} - trained

    def conversation(self) -> Conversation:
        """Return one conversation."""
        self._copying -= 1
        chance = self._rng.random() * (COPYING_SHARE if self._copying >= 0 else 1.0)
        if chance < 0.19:
            turns = self._remembering()
        elif chance < 0.27:
            turns = [*self.fillers(self._rng.randrange(2)), self._memories.repeated()]
        elif chance < 0.34:
            turns = self._following()
        else:
            length = self._rng.choices(LENGTHS, LENGTH_CHANCES)[0]
            turns = self.fillers(length)
        return Conversation(self.system(), tuple(turns))

    def system(self) -> str:
        """Return a system prompt or, more often, none."""
        return self._unknown.system() if self._rng.random() < 0.4 else ""

    def fillers(self, count: int) -> list[Turn]:
        """Return some turns, each about something else."""
        return [self._filler() for _ in range(count)]

    def _filler(self) -> Turn:
        kind = self._rng.choices(list(FILLER_CHANCES), list(FILLER_CHANCES.values()))[0]
        if kind == "unknown":
            return Turn(self._unknown.request(), REPLY)
        return self._ask(self._rng.choice(self._parts[kind]))

    def _ask(self, fact: Fact) -> Turn:
        question = self._question(fact)
        if question in self._exact or plain(question) in self._plain:
            return self._ask(fact)
        return Turn(question, fact.answer)

    def _question(self, fact: Fact) -> str:
        text = self._rng.choice(fact.phrasings)
        if fact.group == "greetings":
            return decorate(text, self._rng)
        return vary(text, self._rng, slips=part_of(fact) != "arithmetic")

    def _remembering(self) -> list[Turn]:
        if self._rng.random() < 0.12:
            return [*self.fillers(self._rng.randrange(2)), self._memories.untold()]
        memories = self._memories.some()
        turns = [memory.tell for memory in memories]
        turns += self.fillers(self._rng.choice((0, 0, 1, 2)))
        self._rng.shuffle(memories)
        return [*turns, *(memory.ask for memory in memories)]

    def _following(self) -> list[Turn]:
        group = self._rng.choice(list(FOLLOW_UPS))
        facts = self._rng.sample(self._groups[group], self._rng.choice((2, 2, 3)))
        turns = [self._ask(facts[0])]
        for fact in facts[1:]:
            asked = self._rng.choice(FOLLOW_UPS[group]).format(fact.subject)
            turns.append(Turn(decorate(asked, self._rng), fact.answer))
        if group in ("capitals", "opposites") and self._rng.random() < 0.3:
            field = "{place}" if group == "capitals" else "{noun}"
            turns.append(Turn(self._unknown.fill(f"And of {field}?"), REPLY))
        return turns


def tokenizer_texts(seed: int) -> Iterator[str]:
    """Return the texts on which the tokenizer is trained."""
    corpus = Corpus(seed)
    for _ in range(8000):
        for role, text in corpus.conversation().messages():
            yield f"{role}\n{text}"
