"""Invented words, numbers and noise."""

from random import Random

STARTS = (
    "b br c ch cl d dr f fl fr g gr h j k kl kr l m n p pl pr qu r s sh sk sl st t th tr v w y z"
)
MIDDLES = "a e i o u ai au ea ei ie io oa oo ou ee y ia"
ENDS = "b ck d f g k l ll m n nd ng nn nt p r rd rk rs rt s ss st t th x z"
MARKS = "!?.,;:-_#@%&/()[]{}<>=+*'\"~^|$"


def word(rng: Random) -> str:
    """Return an invented word that can be spoken."""
    parts = "".join(_syllable(rng) for _ in range(rng.choice((1, 2, 2, 3))))
    return parts + (rng.choice(ENDS.split()) if rng.random() < 0.5 else rng.choice("aeiou"))


def name(rng: Random) -> str:
    """Return an invented name."""
    return word(rng).capitalize()


def blend(rng: Random, words: list[str]) -> str:
    """Return the start of one word and the end of another, as a name."""
    first, second = rng.choice(words), rng.choice(words)
    joined = first[: rng.randint(1, len(first))] + second[-rng.randint(1, len(second)) :]
    return joined.replace(" ", "").capitalize()[:14]


def big(rng: Random) -> str:
    """Return a number above ten."""
    low, high = rng.choice(((11, 21), (11, 100), (11, 100), (100, 1000), (1000, 99999)))
    return str(rng.randrange(low, high))


def noise(rng: Random) -> str:
    """Return letters, digits, marks or signs without meaning."""
    kind = rng.randrange(5)
    if kind == 0:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 24)))
    if kind == 1:
        return "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 16)))
    if kind == 2:
        return "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 10)))
    if kind == 3:
        return "".join(chr(rng.randrange(0xA1, 0x2FFF)) for _ in range(rng.randint(1, 6)))
    return " ".join(chr(rng.randrange(97, 123)) for _ in range(rng.randint(3, 9)))


def _syllable(rng: Random) -> str:
    return rng.choice(STARTS.split()) + rng.choice(MIDDLES.split())
