from __future__ import annotations

import orjson
import pytest

from localai.errors import EngineFailed
from localai.protocol.sse import (
    DONE,
    FrameCutter,
    data_frame,
    error_frame,
    is_terminal,
    take_usage,
    usage_comment,
)

FRAMES = [
    data_frame({"text": "two\n\nlines"}),
    data_frame({"text": "emoji 🎉 and 日本語"}),
    usage_comment(3, 5),
    DONE,
]
STREAM = b"".join(FRAMES)


def test_a_data_frame_is_one_line_and_a_blank_one() -> None:
    assert data_frame({"a": 1, "b": "ü"}) == b'data: {"a":1,"b":"\xc3\xbc"}\n\n'


def test_line_ends_in_the_payload_do_not_break_the_frame() -> None:
    frame = data_frame({"text": "one\ntwo\r\n\nthree"})
    assert frame.count(b"\n") == 2
    assert frame.endswith(b"\n\n")
    assert orjson.loads(frame.removeprefix(b"data: ")) == {"text": "one\ntwo\r\n\nthree"}


def test_the_end_of_a_stream_is_openais() -> None:
    assert DONE == b"data: [DONE]\n\n"


def test_an_error_frame_carries_the_envelope() -> None:
    error = EngineFailed("It broke.", param="seed", details={"phase": "mid"})
    assert error_frame(error) == (
        b'data: {"error":{"message":"It broke.","type":"server_error","param":"seed",'
        b'"code":"engine_failed","phase":"mid"}}\n\n'
    )


def test_a_usage_comment_is_a_comment() -> None:
    assert usage_comment(12, 0) == b": usage 12 0\n\n"


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_cutter_gives_whole_frames_wherever_the_stream_is_split(cut: int) -> None:
    cutter = FrameCutter()
    first, second = cutter.feed(STREAM[:cut]), cutter.feed(STREAM[cut:])
    assert first == STREAM[: STREAM.rfind(b"\n\n", 0, cut) + 2 if b"\n\n" in STREAM[:cut] else 0]
    assert first + second == STREAM


def test_cutter_gives_one_frame_at_a_time_when_bytes_drip() -> None:
    cutter = FrameCutter()
    given = [whole for byte in STREAM if (whole := cutter.feed(bytes([byte])))]
    assert given == FRAMES


def test_cutter_passes_over_empty_pieces() -> None:
    cutter = FrameCutter()
    pieces = [b"", b"data: 1\n", b"", b"\n", b"", b"data: 2\n\n"]
    assert [cutter.feed(piece) for piece in pieces] == [
        b"", b"", b"", b"data: 1\n\n", b"", b"data: 2\n\n"
    ]  # fmt: skip


class Counted(bytes):
    """A piece that counts the bytes it is joined into, which is what long frames cost."""

    copied = 0

    def __radd__(self, before: bytes) -> bytes:
        whole = bytes(before) + bytes(self)
        Counted.copied += len(whole)
        return whole


def test_cost_of_a_long_frame_grows_with_its_length_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "copied", 0)
    cutter, piece = FrameCutter(), Counted(b"x" * 1000)
    assert all(cutter.feed(piece) == b"" for _ in range(100))
    assert len(cutter.feed(DONE)) == 100_000 + len(DONE)
    assert Counted.copied < 2 * 100_000


def test_cutter_keeps_half_a_frame_back() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"data: 1\n\ndata: ha") == b"data: 1\n\n"
    assert cutter.feed(b"lf") == b""
    assert cutter.last == b"data: 1\n\n"


def test_cutter_remembers_what_it_gave_last() -> None:
    cutter = FrameCutter()
    assert cutter.last == b""
    cutter.feed(FRAMES[0] + FRAMES[1])
    cutter.feed(DONE)
    assert cutter.last == DONE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"", DONE),
        (FRAMES[0], b""),
        (FRAMES[0], DONE),
        (FRAMES[0] + FRAMES[1], FRAMES[1] + DONE),
    ],
)
def test_usage_is_taken_out_wherever_it_stands(before: bytes, after: bytes) -> None:
    assert take_usage(before + usage_comment(7, 42) + after) == (before + after, (7, 42))


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        DONE,
        FRAMES[0] + DONE,
        data_frame({"text": ": usage 1 2"}),
        data_frame({"text": "\n\n: usage 1 2\n\n"}),
        b": usage one two\n\n",
        b": something else\n\n",
    ],
)
def test_what_is_no_usage_comment_stays(frames: bytes) -> None:
    assert take_usage(frames) == (frames, None)


def test_text_that_looks_like_usage_does_not_hide_the_true_one() -> None:
    look_alike = data_frame({"text": ": usage 1 2\n\n"})
    assert take_usage(look_alike + usage_comment(3, 4) + DONE) == (look_alike + DONE, (3, 4))


@pytest.mark.parametrize(
    ("frames", "terminal"),
    [
        (DONE, True),
        (FRAMES[0] + DONE, True),
        (error_frame(EngineFailed("x")), True),
        (FRAMES[0] + error_frame(EngineFailed("two\n\nlines")), True),
        (b"", False),
        (FRAMES[0], False),
        (data_frame({"text": "[DONE]"}), False),
        (data_frame({"text": 'data: {"error":'}), False),
        (error_frame(EngineFailed("x")) + FRAMES[0], False),
        (b"data: [DONE]", False),
    ],
)
def test_only_done_and_errors_end_a_stream(frames: bytes, terminal: bool) -> None:
    assert is_terminal(frames) is terminal
