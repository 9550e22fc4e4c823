from __future__ import annotations

import math

import pytest

from localai.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("90s", 90),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("2d", 172800),
        (300, 300),
        ("300", 300),
        (0, 0),
        ("0", 0),
        (-1, math.inf),
        ("-1", math.inf),
    ],
)
def test_spellings_of_a_span(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", ["", "5 apples", "m5", "5x", None, True, [], math.nan])
def test_other_values_are_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="write '5m'"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "5m"), (5400, "1h30m"), (0.2, "0s"), (90061, "1d1h"), (math.inf, "for ever")],
)
def test_spans_are_shown_briefly(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
