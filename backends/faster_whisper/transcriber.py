"""Transcribes audio of any length, a window at a time, with the times of the whole."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import Any

from faster_whisper import BatchedInferencePipeline
from faster_whisper.vad import VadOptions

from localai.worker.results import AudioInfo, Segment, Transcribed, Word

from .asked import Asked
from .audio import Window, open_audio
from .certainty import Certainty
from .model import MOST_BEFORE, Call, Whisper, text_tokens
from .options import Options

_SURE = 0.5
"""Temperature above which a text is not worth remembering, as in Whisper itself."""
_FRAMES = 100
"""Steps of the spectrogram a second, in which `seek` counts."""
_AUDIO_TOKENS = 50
"""Positions of the encoder a second."""

Found = tuple[Iterator[Any], Any]
"""faster-whisper's segments, computed as they are taken, and what it says of the audio."""


class Transcriber:
    """One transcription; iterating computes it."""

    def __init__(self, model: Whisper, options: Options, asked: Asked, call: Call) -> None:
        self._model = model
        self._options = options
        self._asked = asked
        self._certainty = Certainty(model.hf_tokenizer) if asked.logprobs else None
        call.certainty = self._certainty.noted if self._certainty else None
        self._vad = asked.vad
        self._prompt_tokens = self._encode(asked.prompt)
        self._context = list(self._prompt_tokens)
        self._segments = 0
        self._tokens = 0

    def run(self) -> Generator[AudioInfo | Segment | Transcribed, None, None]:
        """Yield what is known of the audio, each segment when it is ready, then the end.

        Raises InvalidRequest for a file without sound.
        """
        with open_audio(self._asked.file) as audio:
            windows = audio.windows(self._options.window)
            first = next(windows)
            known = 0.0 if first.is_last else audio.said_duration
            yield from self._hear(itertools.chain([first], windows), max(first.duration, known))

    def _hear(
        self, windows: Iterator[Window], duration: float
    ) -> Generator[AudioInfo | Segment | Transcribed, None, None]:
        batched = self._options.is_batched(duration)
        if batched:
            self._vad = self._vad_of_batches()
        transcribe = self._batched if batched else self._plain
        language, end = None, 0.0
        for window in windows:
            found, info = transcribe(window, language or self._known_language(window))
            is_speech = info.duration_after_vad > 0
            # Of silence the engine tells a language too, which is not that of the rest.
            if language is None and (is_speech or window.is_last):
                language = info.language
                yield AudioInfo(info.language, duration)
            if is_speech:
                yield from self._told(found, window)
            end = window.start + window.duration
        yield self._transcribed(end)

    def _vad_of_batches(self) -> dict[str, Any]:
        """Return how speech is found for pieces that are cut in its pauses."""
        vad = self._options.vad if self._asked.vad is None else self._asked.vad
        # Padding is part of a piece: without a limit it would leave no room for speech.
        most = self._options.chunk_length * 1000 / 4
        pad = min(vad.get("speech_pad_ms", VadOptions.speech_pad_ms), most)
        return {"min_silence_duration_ms": 160, **vad, "speech_pad_ms": pad}

    def _known_language(self, window: Window) -> str | None:
        """Return the language if the caller leaves no more than one possible."""
        possible = self._asked.languages
        if len(possible) < 2:
            return possible[0] if possible else None
        _, _, likely = self._model.detect_language(
            audio=window.samples,
            vad_filter=self._vad is not None,
            vad_parameters=VadOptions(**(self._vad or {})),
        )
        return next((str(language) for language, _ in likely if language in possible), None)

    def _plain(self, window: Window, language: str | None) -> Found:
        found: Found = self._model.transcribe(
            window.samples,
            language=language,
            beam_size=self._options.beam_size,
            condition_on_previous_text=self._options.condition_on_previous_text,
            initial_prompt=self._context[-MOST_BEFORE:] or None,
            vad_filter=self._vad is not None,
            vad_parameters=self._vad,
            **self._asked.arguments(),
        )
        return found

    def _batched(self, window: Window, language: str | None) -> Found:
        """Compute pieces side by side; they are cut at pauses, so that speech must be found."""
        found: Found = BatchedInferencePipeline(self._model).transcribe(
            window.samples,
            language=language,
            beam_size=self._options.beam_size,
            initial_prompt=self._asked.prompt,
            vad_parameters=dict(self._vad or {}),
            chunk_length=self._options.chunk_length,
            batch_size=self._options.batch_size,
            without_timestamps=not self._asked.times,
            **self._asked.arguments(),
        )
        return found

    def _told(self, found: Iterator[Any], window: Window) -> Iterator[Segment]:
        for segment in found:
            if segment.text.strip():
                self._remember(segment)
                yield self._segment(segment, window)

    def _remember(self, segment: Any) -> None:
        self._tokens += len(segment.tokens)
        self._context += segment.tokens
        is_sure = self._options.condition_on_previous_text and segment.temperature <= _SURE
        self._context = self._context[-MOST_BEFORE:] if is_sure else []

    def _segment(self, segment: Any, window: Window) -> Segment:
        self._segments += 1
        start, last = window.start, window.start + window.duration
        words = segment.words if self._asked.words else None
        return Segment(
            id=self._segments - 1,
            start=min(start + segment.start, last),
            end=min(start + segment.end, last),  # Whisper guesses ends, beyond the file's too
            text=segment.text,
            seek=round((start + self._sought(segment)) * _FRAMES),
            tokens=list(segment.tokens),
            temperature=segment.temperature,
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            words=[
                Word(w.word, min(start + w.start, last), min(start + w.end, last))
                for w in words or []
            ],
            logprobs=self._certainty.logprobs(segment.tokens) if self._certainty else None,
        )

    def _sought(self, segment: Any) -> float:
        # Where speech is cut out, the engine's own `seek` counts in what is left of the audio.
        return float(segment.start if self._vad is not None else segment.seek / _FRAMES)

    def _transcribed(self, duration: float) -> Transcribed:
        return Transcribed(
            duration=duration,
            audio_tokens=round(duration * _AUDIO_TOKENS),
            prompt_tokens=len(self._prompt_tokens) + len(self._encode(self._asked.hotwords)),
            completion_tokens=self._tokens,
        )

    def _encode(self, text: str | None) -> list[int]:
        return text_tokens(self._model.hf_tokenizer, text)
