"""Calculations that the model has not learned."""

from collections.abc import Callable
from random import Random

from . import invented

SIGNS = (
    " + ",
    " - ",
    " * ",
    "+",
    "-",
    "*",
    " / ",
    "/",
    " x ",
    " \N{MULTIPLICATION SIGN} ",
    " ÷ ",
    " ^ ",
    "**",
)
SPOKEN = (" plus ", " minus ", " times ", " divided by ", " multiplied by ", " to the power of ")
FRAMES = (
    *("What is {}?", "what's {}", "How much is {}?", "how much is {}", "Calculate {}", "{} = ?"),
    *("{}", "{}", "{}", "{}=", "{} =", "Compute {}.", "what is {}", "Work out {}", "result of {}"),
)
EQUATION_FRAMES = ("Solve {}", "{}", "find x: {}", "What is x if {}?", "Simplify {}", "graph {}")
TENS = [
    "eleven",
    "twelve",
    "fourteen",
    "twenty",
    "thirty",
    "fifty",
    "seventy",
    "ninety",
    "hundred",
    "thousand",
]
UNITS = [
    "kg",
    "km",
    "cm",
    "litres",
    "euros",
    "dollars",
    "hours",
    "minutes",
    "percent",
    "degrees",
    "miles",
    "pounds",
    "%",
    "°C",
]


def calculation(rng: Random) -> str:
    """Return a request to calculate something beyond the tables."""
    if rng.random() < 0.2:
        return rng.choice(EQUATION_FRAMES).format(_equation(rng))
    makers: tuple[Callable[[Random], str], ...] = (_pair, _pair, _pair, _chain, _real, _unit, _told)
    return rng.choice(FRAMES).format(rng.choice(makers)(rng))


def _pair(rng: Random) -> str:
    both = [invented.big(rng), _any(rng)]
    rng.shuffle(both)
    return rng.choice((*SIGNS, *SPOKEN)).join(both)


def _chain(rng: Random) -> str:
    sign = rng.choice(SIGNS[:6])
    return sign.join(_any(rng) for _ in range(rng.randint(3, 6)))


def _real(rng: Random) -> str:
    first = f"{rng.randrange(100)}.{rng.randrange(1, 100)}"
    return rng.choice(SIGNS).join((first, _any(rng)))


def _unit(rng: Random) -> str:
    first, second = rng.choice(UNITS), rng.choice(UNITS)
    return f"{_any(rng)} {first}{rng.choice((' in ', ' + 3 ', ' of 20 ', ' to '))}{second}"


def _told(rng: Random) -> str:
    return rng.choice(SPOKEN).join((rng.choice(TENS), rng.choice(TENS)))


def _equation(rng: Random) -> str:
    letter, sign = rng.choice("abnxyzk"), rng.choice(SIGNS[:6])
    left = f"{rng.choice(('', _any(rng)))}{letter}{rng.choice(('', '', '^2', '²'))}"
    return f"{left}{sign}{_any(rng)}{rng.choice(('', ' = ', '='))}{_any(rng)}"


def _any(rng: Random) -> str:
    return str(rng.randrange(10)) if rng.random() < 0.4 else invented.big(rng)
