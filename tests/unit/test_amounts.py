from __future__ import annotations

import pytest

from localai.amounts import read_size, shown_age, shown_bytes, shown_seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_bytes_as_people_read_them(count: int, text: str) -> None:
    assert shown_bytes(count) == text


@pytest.mark.parametrize("count", [0, 7, 2_500_000_000, 14_200_000_000_000])
def test_what_is_shown_can_be_read_again(count: int) -> None:
    assert read_size(shown_bytes(count)) == count


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 s"), (89, "89 s"), (170, "3 min"), (7500, "2 h 5 min")]
)
def test_times_as_people_read_them(seconds: float, text: str) -> None:
    assert shown_seconds(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "now"), (1, "1 second ago"), (7199, "1 hour ago"), (3 * 86400, "3 days ago")],
)
def test_ages_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert shown_age(seconds) == text
