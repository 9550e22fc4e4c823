"""Transcribed speech in OpenAI's shapes: JSON, plain text, subtitles, or a stream of events.

Source: OpenAI's specification, `CreateTranscriptionResponseJson`,
`CreateTranscriptionResponseVerboseJson`, `CreateTranscriptionResponseStreamEvent` and
`CreateTranslationResponseVerboseJson`; subtitles as OpenAI's Whisper writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from starlette.responses import PlainTextResponse, Response

from localai.errors import LocalAIError
from localai.protocol import sse
from localai.protocol.asgi import json_response
from localai.protocol.audio import TranscriptionRequest
from localai.worker.languages import language_name
from localai.worker.results import AudioInfo, Segment, Transcribed, Word

Heard = AudioInfo | Segment | Transcribed
Json = dict[str, Any]


class TranscriptForm:
    """One transcription, gathered for one answer or sent segment by segment."""

    stream_type = sse.CONTENT_TYPE

    def __init__(self, asked: TranscriptionRequest, *, translate: bool) -> None:
        self.asked = asked
        self.translate = translate
        self.language = ""
        self.duration = 0.0
        self.segments: list[Segment] = []
        self._held_back = ""
        self._tokens: Json = {}

    def collect(self, event: Heard) -> None:
        """Add `event` to the transcript."""
        if isinstance(event, Segment):
            self.segments.append(event)
        elif isinstance(event, AudioInfo):
            self.language, self.duration = event.language, event.duration
        else:
            self.duration = event.duration
            self._tokens = _token_usage(event)

    async def whole(self) -> Response:
        """Return the answer in the format that was asked for."""
        return _WRITERS[self.asked.response_format or "json"](self)

    async def pieces(self, event: Heard) -> bytes:
        """Return the frame of a segment, and the last event when all is transcribed."""
        self.collect(event)
        if isinstance(event, Segment):
            return sse.data_frame(self._delta(event))
        return sse.data_frame(self._done()) if isinstance(event, Transcribed) else b""

    async def ending(self) -> bytes:
        """Return the frame that ends a complete stream."""
        return sse.DONE

    def failure(self, error: LocalAIError) -> bytes:
        """Return the frame that ends a failed stream."""
        return sse.error_frame(error)

    def text(self) -> str:
        """Return all that was said."""
        return "".join(segment.text for segment in self.segments).strip()

    def logprobs(self) -> list[Json]:
        """Return the entries of all tokens."""
        return [entry for segment in self.segments for entry in segment.logprobs or []]

    def _delta(self, segment: Segment) -> Json:
        """Return a delta; together they are the text of the last event to the letter.

        Blanks at the end wait for the next segment, because the last one's are cut.
        """
        is_first = not any(earlier.text.strip() for earlier in self.segments[:-1])
        text = segment.text.lstrip() if is_first else self._held_back + segment.text
        shown = text.rstrip()
        self._held_back = text[len(shown) :]
        delta: Json = {"type": "transcript.text.delta", "delta": shown}
        if self.asked.wants_logprobs():
            delta["logprobs"] = segment.logprobs or []
        # For progress bars; OpenAI's events have no times.
        times = {"start": segment.start, "end": segment.end, "duration": self.duration}
        return delta | {name: _rounded(value) for name, value in times.items()}

    def _done(self) -> Json:
        done: Json = {"type": "transcript.text.done", "text": self.text(), "usage": self._tokens}
        if self.asked.wants_logprobs():
            done["logprobs"] = self.logprobs()
        return done


def _token_usage(done: Transcribed) -> Json:
    read = done.audio_tokens + done.prompt_tokens
    return {
        "type": "tokens",
        "input_tokens": read,
        "input_token_details": {
            "text_tokens": done.prompt_tokens,
            "audio_tokens": done.audio_tokens,
        },
        "output_tokens": done.completion_tokens,
        "total_tokens": read + done.completion_tokens,
    }


def _json(form: TranscriptForm) -> Response:
    answer: Json = {"text": form.text()}
    if form.asked.wants_logprobs():
        answer["logprobs"] = form.logprobs()
    return json_response(answer | _usage(form))


def _verbose_json(form: TranscriptForm) -> Response:
    answer: Json = {
        "task": "translate" if form.translate else "transcribe",
        "language": "english" if form.translate else language_name(form.language),
        "duration": _rounded(form.duration),
        "text": form.text(),
    }
    asked = form.asked.timestamp_granularities or ["segment"]
    if "word" in asked:
        answer["words"] = [_word(word) for segment in form.segments for word in segment.words]
    if "segment" in asked:
        answer["segments"] = [_segment(segment) for segment in form.segments]
    return json_response(answer | _usage(form))


def _usage(form: TranscriptForm) -> Json:
    if form.translate:  # OpenAI's translations have none
        return {}
    return {"usage": {"type": "duration", "seconds": math.ceil(form.duration)}}


def _segment(segment: Segment) -> Json:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": _rounded(segment.start),
        "end": _rounded(segment.end),
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: Word) -> Json:
    return {"word": word.word.strip(), "start": _rounded(word.start), "end": _rounded(word.end)}


def _rounded(seconds: float) -> float:
    return round(float(seconds), 3)


def _text(form: TranscriptForm) -> Response:
    return PlainTextResponse(form.text() + "\n")


def _srt(form: TranscriptForm) -> Response:
    cues = [
        f"{number}\n{_times(segment, ',')}\n{_cue(segment)}\n\n"
        for number, segment in enumerate(form.segments, start=1)
    ]
    return PlainTextResponse("".join(cues))


def _vtt(form: TranscriptForm) -> Response:
    cues = [f"{_times(segment, '.')}\n{_cue(segment)}\n\n" for segment in form.segments]
    return PlainTextResponse("WEBVTT\n\n" + "".join(cues))


def _cue(segment: Segment) -> str:
    # An arrow in the text would be read as the times of a cue, an empty line as its end.
    return " ".join(segment.text.replace("-->", "->").split())


def _times(segment: Segment, point: str) -> str:
    return f"{_clock(segment.start, point)} --> {_clock(segment.end, point)}"


def _clock(seconds: float, point: str) -> str:
    """Return `01:02:03.004`, as subtitles spell times."""
    whole, thousandths = divmod(round(max(0.0, seconds) * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{thousandths:03}"


_WRITERS: dict[str, Callable[[TranscriptForm], Response]] = {
    "json": _json,
    "text": _text,
    "srt": _srt,
    "verbose_json": _verbose_json,
    "vtt": _vtt,
}
