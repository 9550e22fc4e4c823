"""What a request asks of Whisper, and the card's options."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from backends.faster_whisper.asked import Asked, read_request
from backends.faster_whisper.options import Options
from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.audio import TranscriptionRequest
from localai.protocol.manifest import read_manifest
from localai.settings import builtin_backends_folder


class Vocabulary:
    """One token a word, and the languages of the models before large-v3."""

    def encode(self, text: str, add_special_tokens: bool) -> SimpleNamespace:
        return SimpleNamespace(ids=list(range(len(text.split()))))

    def token_to_id(self, token: str) -> int | None:
        return None if token == "<|yue|>" else 50_000


def asked(options: Options | None = None, *, multilingual: bool = True, **fields: Any) -> Asked:
    request = TranscriptionRequest(file="/x", **fields)
    return read_request(
        request, options or Options(), Vocabulary(), translate=False, multilingual=multilingual
    )


def test_nothing_asked_leaves_all_to_the_model() -> None:
    plain = asked(prompt="", temperature=0.0, language="")
    assert plain == asked()
    assert plain.vad is None
    assert plain.arguments() == {
        "task": "transcribe", "hotwords": None, "word_timestamps": False,
    }  # fmt: skip


def test_a_temperature_is_used_alone() -> None:
    assert asked(temperature=0.4).arguments()["temperature"] == 0.4


def test_keywords_are_said_to_the_model_beside_the_prompt() -> None:
    said = asked(keywords=["LocalAI", "gateway"], prompt="Hello.")
    assert (said.hotwords, said.prompt) == ("LocalAI, gateway", "Hello.")


def test_more_keywords_than_the_model_can_keep_in_mind_are_refused() -> None:
    assert asked(keywords=["word"] * 223).hotwords == ", ".join(["word"] * 223)
    assert asked(keywords=[" "]).hotwords is None
    with pytest.raises(InvalidRequest, match="224 tokens, and the model can keep 223") as refused:
        asked(keywords=["word"] * 200 + ["three more words"] * 8)
    assert refused.value.param == "keywords"


def test_words_and_logprobs_both_need_the_alignment() -> None:
    words = asked(response_format="verbose_json", timestamp_granularities=["word"])
    assert (words.words, words.logprobs, words.times) == (True, False, True)
    logprobs = asked(include=["logprobs"])
    assert (logprobs.words, logprobs.logprobs, logprobs.times) == (False, True, False)
    assert words.arguments()["word_timestamps"] is logprobs.arguments()["word_timestamps"] is True


def test_chunking_says_how_speech_is_found() -> None:
    card = Options(vad={"threshold": 0.3})
    assert asked(card).vad is None
    assert asked(Options(vad={"threshold": 0.3}, vad_filter=True)).vad == {"threshold": 0.3}
    assert asked(card, chunking_strategy={"type": "auto"}).vad == {"threshold": 0.3}
    assert asked(card, chunking_strategy={"type": "server_vad", "silence_duration_ms": 90}).vad == {
        "threshold": 0.5, "speech_pad_ms": 300, "min_silence_duration_ms": 90,
    }  # fmt: skip


def test_languages_are_codes_whatever_was_said() -> None:
    assert asked(language="English").languages == ["en"]
    assert asked(languages=["de", "fr-CH"]).languages == ["de", "fr"]
    assert asked(language="de", languages=["fr"]).languages == ["de"]


def test_model_of_one_language_takes_no_other() -> None:
    assert asked(language="en-GB", multilingual=False).languages == ["en"]
    assert asked(languages=["de", "en"], multilingual=False).languages == ["en"]
    with pytest.raises(InvalidRequest, match="English only, not German") as refused:
        asked(language="de", multilingual=False)
    assert refused.value.param == "language"
    with pytest.raises(InvalidRequest) as refused:
        asked(languages=["de", "fr"], multilingual=False)
    assert refused.value.param == "languages"


@pytest.mark.parametrize("fields", [{"language": "yue"}, {"languages": ["zh", "Cantonese"]}])
def test_language_that_the_model_has_no_token_for_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="knows other languages, not Cantonese") as refused:
        asked(**fields)
    assert refused.value.param == next(iter(fields))


def test_language_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ISO-639-1") as refused:
        asked(language="klingon")
    assert (refused.value.param, refused.value.code) == ("language", "invalid_language_format")


def test_manifest_and_options_agree() -> None:
    defaults = read_manifest(builtin_backends_folder() / "faster_whisper").option_defaults()
    assert Options.parse(defaults) == Options()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beam": 3}, "beam_size"),
        ({"vad": {"treshold": 0.5}}, "threshold"),
        ({"vad": {"threshold": 50}}, "vad.threshold: 50"),
        ({"vad": {"speech_pad_ms": -1}}, "vad.speech_pad_ms: -1"),
        ({"vad": {"speech_pad_ms": True}}, "vad.speech_pad_ms: True"),
        ({"vad": {"speech_pad_ms": "long"}}, "of milliseconds"),
    ],
)
def test_options_that_are_wrong_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LoadFailed, match=said):
        Options.parse(options)


@pytest.mark.parametrize(
    ("batched", "seconds", "expected"),
    [
        ("auto", 119, False), ("auto", 120, True), ("on", 1, True), ("off", 9999, False),
    ],
)  # fmt: skip
def test_long_audio_is_batched_where_nothing_else_is_said(
    batched: Any, seconds: float, expected: bool
) -> None:
    assert Options(batched=batched).is_batched(seconds) is expected
