from __future__ import annotations

import pytest

from backends.llama_cpp.text import TextStream, first_stop, unsafe_tail


def feed_all(stream: TextStream, pieces: list[bytes]) -> list[str]:
    return [stream.feed(piece) for piece in pieces]


def test_text_passes_through_without_stops() -> None:
    stream = TextStream()
    assert feed_all(stream, [b"Hel", b"lo"]) == ["Hel", "lo"]
    assert stream.flush() == ""


def test_a_character_is_held_until_it_is_whole() -> None:
    emoji = "\N{SNOWMAN}\N{GRINNING FACE}".encode()
    stream = TextStream()
    assert feed_all(stream, [emoji[n : n + 1] for n in range(7)]) == [
        "", "", "\N{SNOWMAN}", "", "", "", "\N{GRINNING FACE}",
    ]  # fmt: skip


def test_bytes_that_are_no_text_become_replacement_characters_at_once() -> None:
    stream = TextStream()
    assert feed_all(stream, [b"a\xff", b"b"]) == ["a\N{REPLACEMENT CHARACTER}", "b"]


def test_a_character_cut_off_by_the_end_is_dropped() -> None:
    stream = TextStream()
    assert feed_all(stream, [b"a", b"\xf0\x9f"]) == ["a", ""]
    assert stream.flush() == ""


def test_a_stop_string_ends_the_text_before_it() -> None:
    stream = TextStream(["END"])
    assert stream.feed(b"one END two") == "one "
    assert stream.stopped
    assert stream.flush() == ""


def test_a_stop_string_over_several_tokens_never_shows() -> None:
    stream = TextStream(["</answer>"])
    assert feed_all(stream, [b"yes<", b"/ans", b"wer", b">no"]) == ["yes", "", "", ""]
    assert stream.stopped


def test_what_only_began_like_a_stop_string_is_sent_after_all() -> None:
    stream = TextStream(["###"])
    assert feed_all(stream, [b"a#", b"#", b" b"]) == ["a", "", "## b"]
    assert not stream.stopped


def test_the_earliest_of_several_stops_wins() -> None:
    stream = TextStream(["world", "lo"])
    assert stream.feed(b"hello world") == "hel"


def test_a_stop_string_may_follow_its_own_beginning() -> None:
    stream = TextStream(["aab"])
    assert "".join(feed_all(stream, [b"a", b"a", b"a", b"b"])) == "a"
    assert stream.stopped


def test_held_text_comes_with_the_flush() -> None:
    stream = TextStream(["stop here"])
    assert stream.feed(b"please stop") == "please "
    assert stream.flush() == "stop"


def test_a_stop_string_of_one_split_character() -> None:
    stop = "\N{GRINNING FACE}"
    stream = TextStream([stop])
    data = f"a{stop}".encode()
    assert feed_all(stream, [data[:3], data[3:]]) == ["a", ""]
    assert stream.stopped


@pytest.mark.parametrize(
    ("text", "stops", "length"),
    [("ab", ["bc"], 1), ("ab", ["xy"], 0), ("aba", ["abac", "ac"], 3), ("ab", ["ab"], 0)],
)
def test_unsafe_tail(text: str, stops: list[str], length: int) -> None:
    assert unsafe_tail(text, stops) == length


def test_first_stop_of_none() -> None:
    assert first_stop("abc", ["x"]) is None
