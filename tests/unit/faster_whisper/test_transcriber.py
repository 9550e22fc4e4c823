"""Windows of one recording as one transcript, with a stand-in for the engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.faster_whisper import transcriber
from backends.faster_whisper.asked import Asked, read_request
from backends.faster_whisper.model import Call
from backends.faster_whisper.options import Options
from backends.faster_whisper.transcriber import Transcriber
from localai.protocol.audio import TranscriptionRequest
from localai.worker.results import AudioInfo, Segment, Transcribed
from tests.recordings import silence, tone, write


class Engine:
    """Hears the same two segments in every window, the second of which ends far too late.

    In the first `silent` windows it hears nobody, in a language of its own.
    """

    def __init__(self, *temperatures: float, silent: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.detections: list[dict[str, Any]] = []
        self.temperatures = temperatures
        self.silent = silent
        self.hf_tokenizer = SimpleNamespace(
            encode=lambda text, add_special_tokens: SimpleNamespace(ids=list(range(len(text)))),
            token_to_id=lambda token: 7,
        )

    def transcribe(self, samples: Any, **arguments: Any) -> tuple[Any, Any]:
        number = len(self.calls)
        self.calls.append(arguments | {"seconds": len(samples) / 16_000})
        heat = self.temperatures[number] if number < len(self.temperatures) else 0.0
        found = [segment(1.0, 2.0, [900 + number], heat), segment(3.0, 999.0, [950 + number], heat)]
        is_silent = number < self.silent
        info = SimpleNamespace(
            language=arguments["language"] or ("nn" if is_silent else "fr"),
            duration_after_vad=0 if is_silent else 30.0,
        )
        return iter([] if is_silent else found), info

    def detect_language(self, **arguments: Any) -> tuple[str, float, list[tuple[str, float]]]:
        self.detections.append(arguments)
        return "nl", 0.5, [("nl", 0.5), ("de", 0.3), ("fr", 0.2)]


def segment(start: float, end: float, tokens: list[int], temperature: float) -> SimpleNamespace:
    return SimpleNamespace(
        start=start, end=end, tokens=tokens, temperature=temperature, text=f" t{tokens[0]}",
        seek=0, avg_logprob=-0.1, compression_ratio=1.0, no_speech_prob=0.0, words=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two and a half minutes, with a pause before each whole minute."""
    minute = np.concatenate([tone(56), silence(2), tone(2)])
    return write(tmp_path_factory.mktemp("long"), np.concatenate([minute, minute, tone(30)]))


def asked(path: str, **fields: Any) -> Asked:
    request = TranscriptionRequest(file=path, **fields)
    tokenizer = Engine().hf_tokenizer
    return read_request(request, Options(), tokenizer, translate=False, multilingual=True)


def transcribed(
    engine: Any, path: str, options: dict[str, Any] | None = None, **fields: Any
) -> list[AudioInfo | Segment | Transcribed]:
    chosen = Options(**{"window": 60, "batched": "off", **(options or {})})
    return list(Transcriber(engine, chosen, asked(path, **fields), Call()).run())


def test_windows_are_one_transcript(path: str) -> None:
    engine = Engine()
    first, *segments, last = transcribed(engine, path)
    assert isinstance(first, AudioInfo)
    assert first.duration == pytest.approx(150, abs=0.1)
    assert isinstance(last, Transcribed)
    assert last.duration == pytest.approx(150, abs=0.01)
    assert last.completion_tokens == 6
    told = [one for one in segments if isinstance(one, Segment)]
    assert [one.id for one in told] == list(range(6))
    cuts = np.cumsum([0, *(call["seconds"] for call in engine.calls)])
    assert [one.start - cut for one, cut in zip(told[::2], cuts, strict=False)] == [1.0] * 3
    assert [one.end for one in told[1::2]] == pytest.approx(list(cuts[1:]))
    assert told[2].seek == round(cuts[1] * 100)


def test_language_is_found_once(path: str) -> None:
    engine = Engine()
    transcribed(engine, path)
    assert [call["language"] for call in engine.calls] == [None, "fr", "fr"]


def test_likeliest_of_the_possible_languages_is_taken(path: str) -> None:
    engine = Engine()
    first, *_ = transcribed(engine, path, languages=["fr", "de"])
    assert isinstance(first, AudioInfo)
    assert first.language == "de"
    engine = Engine()
    transcribed(engine, path, language="es")
    assert {call["language"] for call in engine.calls} == {"es"}


def test_silence_at_the_beginning_does_not_say_the_language(path: str) -> None:
    engine = Engine(silent=1)
    first, *_ = transcribed(engine, path)
    assert isinstance(first, AudioInfo)
    assert first.language == "fr"
    assert [call["language"] for call in engine.calls] == [None, None, "fr"]


def test_silence_all_along_has_the_language_of_its_end(path: str) -> None:
    first, *rest = transcribed(Engine(silent=3), path)
    assert isinstance(first, AudioInfo)
    assert first.language == "nn"
    assert [type(one) for one in rest] == [Transcribed]


def test_language_is_looked_for_where_speech_is(path: str) -> None:
    engine = Engine()
    transcribed(engine, path, languages=["fr", "de"])
    assert engine.detections[0]["vad_filter"] is False
    engine = Engine(silent=1)
    vad = {"type": "server_vad", "threshold": 0.3}
    transcribed(engine, path, languages=["fr", "de"], chunking_strategy=vad)
    assert [one["vad_filter"] for one in engine.detections] == [True, True]
    assert engine.detections[0]["vad_parameters"].threshold == 0.3


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return options with which the engine itself stands for faster-whisper's batches."""
    monkeypatch.setattr(transcriber, "BatchedInferencePipeline", lambda engine: engine)
    return {"batched": "on"}


@pytest.mark.parametrize(
    ("chunk_length", "asked_ms", "given_ms"),
    [(30, 10_000, 7_500), (30, 300, 300), (2, None, 400), (1, None, 250), (4, 5000, 1000)],
)
def test_padding_leaves_room_for_speech_in_a_piece(
    batched: dict[str, Any], path: str, chunk_length: int, asked_ms: int | None, given_ms: int
) -> None:
    fields: dict[str, Any] = {}
    if asked_ms is not None:
        fields = {"chunking_strategy": {"type": "server_vad", "prefix_padding_ms": asked_ms}}
    engine = Engine()
    transcribed(engine, path, {**batched, "chunk_length": chunk_length}, **fields)
    assert engine.calls[0]["vad_parameters"]["speech_pad_ms"] == given_ms


def test_seek_is_a_place_in_the_file_where_silence_is_cut_out(
    batched: dict[str, Any], path: str
) -> None:
    plain = [one.seek for one in transcribed(Engine(), path) if isinstance(one, Segment)]
    assert plain[:2] == [0, 0]
    pieces = [one for one in transcribed(Engine(), path, batched) if isinstance(one, Segment)]
    assert [one.seek for one in pieces] == [round(one.start * 100) for one in pieces]


def test_text_so_far_goes_into_the_next_window(path: str) -> None:
    engine = Engine()
    transcribed(engine, path, prompt="ab")
    contexts = [call["initial_prompt"] for call in engine.calls]
    assert contexts == [[0, 1, 2], [0, 1, 2, 900, 950], [0, 1, 2, 900, 950, 901, 951]]
    engine = Engine()
    transcribed(engine, path, prompt="x" * 1000)
    assert [len(call["initial_prompt"]) for call in engine.calls] == [223] * 3


def test_unsure_or_unwanted_text_is_forgotten(path: str) -> None:
    unsure = Engine(0.8)
    transcribed(unsure, path, prompt="ab")
    assert [call["initial_prompt"] for call in unsure.calls] == [[0, 1, 2], None, [901, 951]]
    forgetful = Engine()
    transcribed(forgetful, path, {"condition_on_previous_text": False}, prompt="ab")
    assert [call["initial_prompt"] for call in forgetful.calls] == [[0, 1, 2], None, None]


def test_file_is_closed_when_nobody_wants_more(path: str) -> None:
    engine: Any = Engine()
    call = Call()
    running = Transcriber(engine, Options(window=60, batched="off"), asked(path), call).run()
    assert isinstance(next(running), AudioInfo)
    descriptors = Path("/proc/self/fd")
    assert path in {str(one.resolve()) for one in descriptors.iterdir()}
    running.close()
    assert path not in {str(one.resolve()) for one in descriptors.iterdir()}
