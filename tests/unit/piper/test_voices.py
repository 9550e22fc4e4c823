"""Which speaker a voice stands for."""

from __future__ import annotations

import pytest

from backends.piper.voices import Voices
from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.audio import OPENAI_VOICES

FOUR = {"ada": 0, "ben": 1, "cleo": 2, "dan": 3}


def voices(
    speakers: dict[str, int] = FOUR,
    count: int = 4,
    named: dict[str, str | int] | None = None,
    default: str | None = None,
) -> Voices:
    return Voices(speakers, count, named=named or {}, default=default)


def test_openai_voices_are_spread_over_the_speakers_in_order() -> None:
    spread = [voices().speaker(name) for name in OPENAI_VOICES]
    assert spread == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_one_speaker_has_all_voices() -> None:
    alone = voices({}, 1)
    assert {alone.speaker(name) for name in OPENAI_VOICES} == {0}
    assert alone.names() == ["0", *OPENAI_VOICES]


def test_speakers_are_voices_by_name_or_where_they_have_none_by_number() -> None:
    assert [voices().speaker(name) for name in FOUR] == [0, 1, 2, 3]
    mixed = voices({"p225": 0, "p226": 2}, 4)
    assert [mixed.speaker(name) for name in ("p225", "p226", "1", "3")] == [0, 2, 1, 3]
    assert mixed.names() == ["p225", "p226", "1", "3", *OPENAI_VOICES]


def test_card_names_are_the_strongest() -> None:
    named: dict[str, str | int] = {"alloy": "dan", "nova": 2, "narrator": "ben", "ada": "cleo"}
    of_card = voices(named=named)
    assert [of_card.speaker(name) for name in named] == [3, 2, 1, 2]
    assert of_card.speaker("ash") == 1


def test_speaker_named_like_an_openai_voice_is_that_speaker() -> None:
    assert voices({"x": 0, "alloy": 1}, 2).speaker("alloy") == 1


def test_no_voice_is_the_default_one() -> None:
    assert voices().speaker(None) is None
    assert voices(default="cleo").speaker(None) == 2
    assert voices(default="onyx", named={"onyx": "dan"}).speaker(None) == 3


def test_unknown_voice_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        voices().speaker("shimer")
    assert refused.value.param == "voice"
    assert refused.value.status == 400
    assert "ada, ben, cleo, dan, alloy, ash" in refused.value.message
    assert "Did you mean 'shimmer'" in refused.value.message


def test_list_of_very_many_voices_is_cut() -> None:
    with pytest.raises(InvalidRequest, match=r"39 and 877 more\. Did you mean"):
        voices({}, 904).speaker("9999")


@pytest.mark.parametrize("speaker", ["eve", "4", 4, -1, True])
def test_card_that_names_nobody_does_not_load(speaker: str | int) -> None:
    with pytest.raises(LoadFailed, match=r"options\.voices: 'alloy' stands for .* ada, ben"):
        voices(named={"alloy": speaker})


def test_unknown_default_does_not_load() -> None:
    with pytest.raises(LoadFailed, match=r"options\.voice: there is no voice 'eve'"):
        voices(default="eve")
