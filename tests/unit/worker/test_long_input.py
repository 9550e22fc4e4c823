from __future__ import annotations

import numpy as np
import pytest

from localai.errors import ContextLengthExceeded
from localai.worker.long_input import (
    Frame,
    LongInput,
    Policy,
    mean_of_windows,
    unit_length,
    windows_of,
)

REFUSE, TRUNCATE, WINDOWS = (LongInput(p, 11) for p in ("refuse", "truncate", "windows"))


@pytest.mark.parametrize("policy", ["refuse", "truncate", "windows"])
@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_text_that_fits_is_one_window(policy: Policy, length: int) -> None:
    tokens = list(range(length))
    assert windows_of(tokens, 4, LongInput(policy)) == [tokens]


def test_a_longer_one_is_refused_with_both_numbers() -> None:
    with pytest.raises(ContextLengthExceeded) as refused:
        windows_of(list(range(5)), 4, REFUSE)
    assert "4 tokens" in refused.value.message
    assert "has 5" in refused.value.message
    assert refused.value.param == "input"
    assert refused.value.details == {"n_prompt_tokens": 5, "n_ctx": 4}


def test_or_cut_off() -> None:
    assert windows_of([9, 8, 7, 6, 5], 4, TRUNCATE) == [[9, 8, 7, 6]]


def test_or_read_window_by_window() -> None:
    assert windows_of(list(range(8)), 4, WINDOWS) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert windows_of(list(range(9)), 4, WINDOWS) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_windows_have_an_end_too() -> None:
    assert len(windows_of(list(range(11)), 4, WINDOWS)) == 3
    with pytest.raises(ContextLengthExceeded, match=r"11 tokens, but 'input\[2\]' has 12"):
        windows_of(list(range(12)), 4, WINDOWS, what="'input[2]'")


def test_openais_limit_is_the_default() -> None:
    rule = LongInput("windows")
    assert len(windows_of([0] * 8191, 254, rule)) == 33
    with pytest.raises(ContextLengthExceeded, match="8191 tokens, but 'input' has 8192"):
        windows_of([0] * 8192, 254, rule)


def test_windows_count_by_their_tokens() -> None:
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    mean = mean_of_windows(vectors, [4, 4, 2])
    assert mean.tolist() == pytest.approx([0.2, 0.4])
    assert mean.dtype == np.float32


def test_vectors_get_length_1_and_zero_stays_zero() -> None:
    scaled = unit_length(np.array([[3, 4], [0, 0]], np.float32))
    assert scaled.ravel().tolist() == pytest.approx([0.6, 0.8, 0, 0])
    assert scaled.dtype == np.float32


def test_a_frame_is_found_put_around_and_taken_off() -> None:
    frame = Frame.found([7], [101, 7, 102])
    assert (frame.before, frame.after, len(frame)) == ((101,), (102,), 2)
    assert frame.around([5, 6]) == [101, 5, 6, 102]
    assert frame.without([101, 5, 6, 102]) == [5, 6]
    assert frame.without([101, 102]) == []


@pytest.mark.parametrize("tokens", [[5, 6], [101, 5], [5, 102], [102], []])
def test_tokens_without_a_frame_stay_as_they_are(tokens: list[int]) -> None:
    assert Frame((101,), (102,)).without(tokens) == tokens


def test_a_model_may_want_no_frame() -> None:
    frame = Frame.found([7, 8], [7, 8])
    assert frame.around([1]) == [1]
    assert frame.without([1]) == [1]


def test_a_frame_needs_the_text_within() -> None:
    with pytest.raises(ValueError, match="not part"):
        Frame.found([7], [101, 8, 102])
