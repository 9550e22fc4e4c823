"""The sentences of the training, made from lists of words, numbers and invented words."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import yaml

Lists = dict[str, list[str]]
ONSETS = "b bl br ch cl cr d dr dw f fl fr g gl gr h j k kw l m n p pl pr r s sc sh shr sk sl sm"
ONSETS += " sn sp spl spr squ st str sw t th thr tr tw v w wh y z zh"
VOWELS = (
    "a e i o u ee ea oo ai ay ow ou oi oy au aw er ar or ir air ear oa igh ie ue ew y a e i o u"
)
CODAS = "b ch ck d dge f ft g k l ld lf lk lm lp lt m mp n nch nd ng nge nk nt p pt r rd rk rm rn s"
CODAS += " rt sh sk sp ss st t th ve x z ze st th ng v"
ENDS = (".", ".", ".", ".", ".", ".", "!", "?", "", "")
HELD_OUT_SEED = 900


def load_lists() -> Lists:
    """Read words.yaml."""
    path = Path(__file__).with_name("words.yaml")
    with path.open(encoding="utf-8") as file:
        # The base loader leaves words such as "yes" and "on" as they are.
        loaded: Lists = yaml.load(file, Loader=yaml.BaseLoader)
    return loaded


class Writer:
    """Writes sentences at random, without end."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._lists = load_lists()
        self._kinds: list[tuple[Callable[[], str], int]] = [
            (self._statement, 22),
            (self._story, 12),
            (self._question, 10),
            (self._command, 10),
            (self._numbers, 12),
            (self._word_heap, 14),
            (self._invented, 16),
            (self._short, 5),
            (self._saying, 3),
            (self._spelling, 3),
            (self._technical, 6),
        ]

    def sentences(self) -> Iterator[str]:
        """Yield sentences."""
        kinds = [kind for kind, _ in self._kinds]
        weights = [weight for _, weight in self._kinds]
        while True:
            text = self._rng.choices(kinds, weights)[0]()
            yield text[:1].upper() + text[1:]

    def _pick(self, kind: str) -> str:
        return self._rng.choice(self._lists[kind])

    def _end(self) -> str:
        return self._rng.choice(ENDS)

    def _thing(self) -> str:
        if self._rng.random() < 0.2:
            return (
                f"{self._rng.choice(('the', 'many', 'some', 'two', 'our'))} {self._pick('plurals')}"
            )
        colour = f"{self._pick('adjectives')} " if self._rng.random() < 0.5 else ""
        return f"{self._pick('determiners')} {colour}{self._pick('nouns')}"

    def _place(self) -> str:
        if self._rng.random() < 0.3:
            return f"{self._rng.choice(('in', 'near', 'from'))} {self._pick('places')}"
        return f"{self._pick('prepositions')} {self._thing()}"

    def _who(self) -> str:
        kind = self._rng.choice(("pronouns", "singles", "names", "things"))
        return self._thing() if kind == "things" else self._pick(kind)

    def _statement(self) -> str:
        tail = self._rng.choice((self._place(), self._pick("adverbs"), ""))
        return f"{self._who()} {self._pick('past')} {self._thing()} {tail}".strip() + self._end()

    def _story(self) -> str:
        joint = self._rng.choice((", and", ", but", " because", ", so", ";", " when", ": then"))
        first = f"{self._who()} {self._pick('past')} {self._thing()}"
        second = f"{self._who()} was {self._pick('adjectives')} {self._place()}"
        return f"{first}{joint} {second}{self._end()}"

    def _question(self) -> str:
        start = self._rng.choice(("do", "can", "will", "should", "would", "could", "did"))
        if self._rng.random() < 0.6:
            start = f"{self._pick('questions')} {start}"
        who = self._rng.choice((self._pick("pronouns"), self._pick("names")))
        return f"{start} {who} {self._pick('verbs')} {self._thing()}?"

    def _command(self) -> str:
        polite = self._rng.choice(("please ", "", "", f"{self._pick('names')}, ", "now "))
        tail = self._rng.choice((self._place(), self._pick("adverbs"), ""))
        return f"{polite}{self._pick('verbs')} {self._thing()} {tail}".strip() + self._end()

    def _numbers(self) -> str:
        rng = self._rng
        small, large = rng.randrange(100), rng.randrange(100000)
        forms = (
            f"{small} plus {rng.randrange(100)} is {rng.randrange(200)}",
            f"the number {rng.choice((small, large))}",
            f"it is {rng.randrange(1, 13)}:{rng.randrange(10, 60)} on {self._pick('days')}",
            f"{self._pick('months')} {rng.randrange(1, 32)}, {rng.randrange(1800, 2100)}",
            f"{small} {self._pick('plurals')} and {rng.randrange(1000)} {self._pick('plurals')}",
            f"it costs {small}.{rng.randrange(10, 100)} dollars",
            f"the {self._pick('ordinals')} {self._pick('nouns')}",
            f"{rng.randrange(100)} percent of {rng.randrange(2, 20)} million",
            " ".join(str(rng.randrange(10)) for _ in range(rng.randrange(3, 8))),
        )
        return rng.choice(forms) + self._end()

    def _word_heap(self) -> str:
        kinds = ("nouns", "verbs", "adjectives", "plurals", "names", "places", "past", "adverbs")
        count = self._rng.choice((1, 2, 3, 4, 5))
        words = [self._pick(self._rng.choice(kinds)) for _ in range(count)]
        return self._rng.choice((" ", " ", ", ")).join(words) + self._end()

    def _invented(self) -> str:
        words = [self._nonsense() for _ in range(self._rng.randrange(1, 6))]
        return " ".join(words) + self._end()

    def _nonsense(self) -> str:
        word = ""
        for _ in range(self._rng.choice((1, 1, 2, 2, 3))):
            onset = self._rng.choice(("", *ONSETS.split()))
            word += onset + self._rng.choice(VOWELS.split())
        return word + self._rng.choice(("", *CODAS.split()))

    def _short(self) -> str:
        return self._pick("short") + self._end()

    def _saying(self) -> str:
        return self._pick("sayings") + self._end()

    def _spelling(self) -> str:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        count = self._rng.randrange(2, 6)
        return " ".join(self._rng.choice(letters) for _ in range(count)) + self._end()

    def _technical(self) -> str:
        verb = self._rng.choice(("is", "was", "needs", "shows", "can read", "will change"))
        return f"{self._pick('technical')} {verb} {self._pick('technical')}{self._end()}"
