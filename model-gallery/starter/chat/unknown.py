"""Requests that the model does not know and must say so."""

import string
from random import Random

from . import invented
from .facts import Fact, load_lists, plain
from .held_out import HeldOut
from .odd_sums import calculation
from .phrasing import vary
from .swap import Swap, fact_words

REPLY = (
    "I do not know that. I am only a tiny demonstration model. "
    "Install a real one with: localai pull MODEL"
)
CHANCES = {
    "requests": 27,
    "near": 13,
    "swapped": 24,
    "known": 14,
    "sums": 9,
    "code": 4,
    "foreign": 5,
    "mixed": 2,
    "emojis": 1,
    "pile": 5,
    "noise": 3,
    "stutter": 1,
    "long": 4,
}
LISTS = ("requests", "near", "known")


class Unknown:
    """Makes requests that no fact answers."""

    def __init__(self, facts: list[Fact], rng: Random) -> None:
        self._rng = rng
        self._words = load_lists("words.yaml")
        self._templates = load_lists("templates.yaml")
        self._known = {plain(text) for fact in facts for text in fact.phrasings + fact.held_out}
        taken = {part for fact in facts for part in fact.subject.lower().split()}
        self._free = {
            kind: [word for word in self._words[kind] if word.lower() not in taken]
            for kind in ("nouns", "adjectives")
        }
        self._held_out = HeldOut()
        self._swap = Swap(facts, rng)
        self._fact_words = fact_words(facts)

    def request(self) -> str:
        """Return one request."""
        kind = self._rng.choices(list(CHANCES), list(CHANCES.values()))[0]
        text = self._make(kind)
        if plain(text) in self._known or self._held_out.copied(text):
            return self.request()
        return text

    def system(self) -> str:
        """Return one system prompt."""
        return self.fill(self._rng.choice(self._templates["systems"]))

    def fill(self, template: str) -> str:
        """Fill the fields of a template."""
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field]
        for field in fields:
            template = template.replace("{" + field + "}", self._field(field), 1)
        return template.replace("{{", "{").replace("}}", "}")

    def _make(self, kind: str) -> str:
        if kind in LISTS:
            return vary(self.fill(self._rng.choice(self._templates[kind])), self._rng)
        if kind == "swapped":
            return vary(self._swap.question(), self._rng)
        if kind == "code":
            return self._question_of(self.fill(self._rng.choice(self._templates[kind])))
        return calculation(self._rng) if kind == "sums" else self._odd(kind)

    def _odd(self, kind: str) -> str:
        if kind == "foreign":
            return vary(self._rng.choice(self._words["foreign"]), self._rng)
        if kind == "mixed":
            return " ".join(self._some(" ".join(self._words["foreign"]).split(), 1, 9))
        if kind == "emojis":
            return "".join(self._some(self._words["emojis"], 1, 5))
        if kind == "stutter":
            return " ".join([self._any_word()] * self._rng.randint(2, 5))
        if kind == "pile":
            words = [self._any_word() for _ in range(self._rng.randint(2, 9))]
            return " ".join(words)
        return invented.noise(self._rng) if kind == "noise" else self._long()

    def _any_word(self) -> str:
        kinds = ("nouns", "verbs", "adjectives", "places", "known", "known", "known")
        kind = self._rng.choice(kinds)
        return self._field("known") if kind == "known" else self._pick(self._words[kind]).lower()

    def _question_of(self, code: str) -> str:
        asked = ("", "", "What does this do?\n", "Explain this code: ", "Find the bug:\n")
        return self._rng.choice(asked) + code

    def _long(self) -> str:
        count = self._rng.choice((2, 3, 4, 6, 9, 14, 25))
        text = " ".join(self._sentence() for _ in range(count))
        before = self._rng.choice(("", "", "Summarise this text:\n", "What is this about? "))
        return before + text + self._rng.choice(("", "", "\n\nWhat is the main point?"))

    def _some(self, items: list[str], low: int, high: int) -> list[str]:
        return self._rng.choices(items, k=self._rng.randint(low, high))

    def _sentence(self) -> str:
        return self.fill(self._rng.choice(self._templates["sentences"]))

    def _field(self, field: str) -> str:
        makers = {"word": invented.word, "name_like": invented.name, "big": invented.big}
        if field in makers:
            return makers[field](self._rng)
        if field == "digit":
            return str(self._rng.randrange(10))
        if field == "known":
            return self._rng.choice(self._fact_words)
        if field in ("sentence", "subject"):
            return self._sentence() if field == "sentence" else self._swap.subject()
        return self._listed(field)

    def _listed(self, field: str) -> str:
        if field in ("a_noun", "free_noun"):
            word = self._pick(self._free["nouns"] if field == "free_noun" else self._words["nouns"])
            return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
        if field == "free_adjective":
            return self._pick(self._free["adjectives"])
        keys = {"person": "people", "code": "code_languages"}
        return self._pick(self._words[keys.get(field, f"{field}s")])

    def _pick(self, words: list[str]) -> str:
        return invented.word(self._rng) if self._rng.random() < 0.15 else self._rng.choice(words)
