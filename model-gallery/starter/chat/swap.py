"""Questions of facts with another subject, which turns them into unknown requests."""

import re
from random import Random

from . import invented
from .facts import Fact, load_lists, plain

NUMBERS = ("sums", "differences", "products")
MANY_GROUPS = 5


def subject_groups(facts: list[Fact]) -> dict[str, list[Fact]]:
    """Return the facts that have a subject, without the calculations."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.subject and fact.group not in NUMBERS:
            groups.setdefault(fact.group, []).append(fact)
    return groups


def fact_words(facts: list[Fact]) -> list[str]:
    """Return the words of the questions that belong to a few groups only."""
    groups: dict[str, set[str]] = {}
    for fact in facts:
        for word in " ".join(fact.phrasings).split():
            groups.setdefault(word.strip("?.!,'\""), set()).add(fact.group)
    few = [word for word, used in groups.items() if len(used) < MANY_GROUPS]
    return sorted(word for word in few if len(word) > 2 and word.isalpha())


def bare(subject: str) -> str:
    """Return a subject without its article."""
    return re.sub(r"^(a|an|the) ", "", subject)


def article(old: str, word: str) -> str:
    """Return a word with an article like that of another subject."""
    if old.startswith("the "):
        return f"the {word}"
    if old.startswith(("a ", "an ")):
        return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
    return word


class Swap:
    """Puts wrong subjects into the questions of facts."""

    def __init__(self, facts: list[Fact], rng: Random) -> None:
        self._rng = rng
        self._groups = subject_groups(facts)
        self._all = [fact for group in self._groups.values() for fact in group]
        self._words = load_lists("words.yaml")

    def question(self) -> str:
        """Return a question of a fact with a subject that its group does not hold."""
        fact = self._fact()
        known = {plain(bare(other.subject)) for other in self._groups[fact.group]}
        word = self._word()
        if plain(word) in known:
            return self.question()
        return self._replace(fact, word)

    def subject(self) -> str:
        """Return the subject of some fact."""
        return self._fact().subject

    def _fact(self) -> Fact:
        if self._rng.random() < 0.6:
            return self._rng.choice(self._all)
        return self._rng.choice(self._groups[self._rng.choice(list(self._groups))])

    def _replace(self, fact: Fact, word: str) -> str:
        text = self._rng.choice(fact.phrasings)
        for old, new in ((fact.subject, article(fact.subject, word)), (bare(fact.subject), word)):
            found = list(re.finditer(rf"\b{re.escape(old)}\b", text))
            if found:
                return text[: found[-1].start()] + new + text[found[-1].end() :]
        return f"{text.rstrip('?.! ')} {word}"

    def _word(self) -> str:
        chance = self._rng.random()
        if chance < 0.28:
            return bare(self.subject())
        if chance < 0.6:
            return self._listed("nouns")
        if chance < 0.7:
            return invented.word(self._rng)
        if chance < 0.78:
            return self._listed("places")
        return self._two(chance)

    def _two(self, chance: float) -> str:
        if chance < 0.84:
            return self._listed("adjectives")
        first = self._listed("adjectives" if chance < 0.92 else "nouns")
        second = self._listed("nouns") if chance < 0.96 else bare(self.subject())
        return f"{first} {second}"

    def _listed(self, kind: str) -> str:
        return self._rng.choice(self._words[kind])
