"""What a request asks of the engine, checked against what the loaded model can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localai.errors import InvalidRequest
from localai.protocol.audio import Chunking, TranscriptionRequest
from localai.worker.languages import language_code, language_name

from .model import MOST_BEFORE, text_tokens
from .options import Options

# What `server_vad` means where a caller leaves these out, as OpenAI's specification says.
_SERVER_VAD = {"threshold": 0.5, "speech_pad_ms": 300, "min_silence_duration_ms": 200}
_VAD_NAMES = {
    "threshold": "threshold",
    "prefix_padding_ms": "speech_pad_ms",
    "silence_duration_ms": "min_silence_duration_ms",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One transcription in the engine's words."""

    file: str
    task: str
    languages: list[str]
    """Codes that the audio may be in; empty = any."""
    prompt: str | None
    hotwords: str | None
    temperature: float | None
    """None = from 0 upwards until the text looks right."""
    times: bool
    words: bool
    logprobs: bool
    vad: dict[str, Any] | None
    """How to find speech, None to hear everything."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that faster-whisper takes for plain and batched audio."""
        given = {} if self.temperature is None else {"temperature": self.temperature}
        return {
            "task": self.task,
            "hotwords": self.hotwords,
            "word_timestamps": self.words or self.logprobs,
            **given,
        }


def read_request(
    request: TranscriptionRequest,
    options: Options,
    tokenizer: Any,
    *,
    translate: bool,
    multilingual: bool,
) -> Asked:
    """Return what `request` asks for.

    Raises InvalidRequest for a language that the model of `tokenizer` lacks, and for more keywords
    than it can keep in mind.
    """
    return Asked(
        file=request.file,
        task="translate" if translate else "transcribe",
        languages=_languages(request, tokenizer, multilingual=multilingual),
        prompt=request.prompt or None,
        hotwords=_hotwords(request.keywords or [], tokenizer),
        temperature=request.temperature or None,
        times=request.wants_times(),
        words=request.wants_words(),
        logprobs=request.wants_logprobs(),
        vad=_vad(request.chunking_strategy, options),
    )


def _hotwords(keywords: list[str], tokenizer: Any) -> str | None:
    joined = ", ".join(keywords).strip()
    if (count := len(text_tokens(tokenizer, joined))) > MOST_BEFORE:
        raise InvalidRequest(
            f"The keywords are {count} tokens, and the model can keep {MOST_BEFORE} in mind: send "
            "fewer.",
            param="keywords",
        )
    return joined or None


def _languages(request: TranscriptionRequest, tokenizer: Any, *, multilingual: bool) -> list[str]:
    said = [("language", request.language)] if request.language else []
    if not said:
        said = [("languages", language) for language in request.languages or []]
    codes = [_code(language, param) for param, language in said]
    if codes and not multilingual:
        if "en" not in codes:
            raise _out_of_reach("knows English only", codes[0], said[0][0])
        return ["en"]
    for code in codes:
        if tokenizer.token_to_id(f"<|{code}|>") is None:  # large-v3 was the first with Cantonese
            raise _out_of_reach("knows other languages", code, said[0][0])
    return codes


def _out_of_reach(known: str, code: str, param: str) -> InvalidRequest:
    return InvalidRequest(f"This model {known}, not {language_name(code).title()}.", param=param)


def _code(language: str, param: str) -> str:
    code = language_code(language)
    if code is None:
        raise InvalidRequest(
            f"'{language}' is no language that Whisper knows: send a code of ISO-639-1, as 'en'.",
            param=param,
            code="invalid_language_format",
        )
    return code


def _vad(chunking: Chunking | None, options: Options) -> dict[str, Any] | None:
    if chunking is None:
        return dict(options.vad) if options.vad_filter else None
    if chunking.type == "auto":
        return dict(options.vad)
    said = {
        name: value
        for field, name in _VAD_NAMES.items()
        if (value := getattr(chunking, field)) is not None
    }
    return {**_SERVER_VAD, **said}
