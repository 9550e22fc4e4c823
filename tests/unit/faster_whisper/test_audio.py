"""Audio files of all kinds, whole, damaged and hostile."""

from __future__ import annotations

import io
import itertools
import wave
from pathlib import Path

import numpy as np
import pytest

from backends.faster_whisper.audio import RATE, Window, open_audio
from localai.errors import InvalidRequest
from tests.recordings import CONTAINERS, Samples, encoded, silence, tone, write


def windows(path: str, seconds: int = 600) -> list[Window]:
    with open_audio(path) as audio:
        return list(audio.windows(seconds))


def heard(path: Path, content: bytes) -> Samples:
    path.write_bytes(content)
    (window,) = windows(str(path))
    assert window.is_last
    return window.samples


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


@pytest.mark.parametrize("kind", sorted(set(CONTAINERS) - {"ogg"}))
def test_every_container_is_told_by_its_content(tmp_path: Path, kind: str) -> None:
    samples = heard(tmp_path / "upload", encoded(tone(2.0), kind))
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(2.0 * RATE, abs=0.15 * RATE)
    assert loudness(samples[RATE // 2 : RATE]) == pytest.approx(0.354, rel=0.1)


def test_sound_of_a_film_is_heard(tmp_path: Path) -> None:
    samples = heard(tmp_path / "film", encoded(tone(2.0), "mp4", picture=True))
    assert len(samples) == pytest.approx(2.0 * RATE, abs=0.15 * RATE)


def test_film_without_sound_is_refused(tmp_path: Path) -> None:
    film = encoded(tone(2.0), "mp4", picture=True)
    with pytest.raises(InvalidRequest, match=r"has no sound|less than"):
        heard(tmp_path / "film", film.replace(b"soun", b"xxxx").replace(b"mp4a", b"xxxx"))


@pytest.mark.parametrize(
    "content",
    [
        b"hello, this is a text and no sound at all. " * 100,
        b"",
        b"\0" * 10_000,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 5000,
        b"GIF89a" + b"\1" * 5000,
        b"OggS" + b"\7" * 5000,
        b"ID3\4\0\0\0\0\0\0" + b"no frames here " * 100,
        b"%PDF-1.7\n" + b"x" * 5000,
        bytes(np.random.default_rng(1).integers(0, 256, 50_000, np.uint8)),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        heard(tmp_path / "upload", content)
    assert refused.value.param == "file"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{sound}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{sound}'\n",
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        "<Period><BaseURL>file://{sound}</BaseURL></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "[playlist]\nFile1={sound}\n",
    ],
)
def test_lists_that_name_other_files_are_not_followed(tmp_path: Path, text: str) -> None:
    sound = tmp_path / "other.wav"
    sound.write_bytes(encoded(tone(1.0), "wav"))
    with pytest.raises(InvalidRequest, match="no format"):
        heard(tmp_path / "upload", text.replace("{sound}", str(sound)).encode())


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "opus", "aac"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_of_a_file_that_breaks_off_what_is_there_is_heard(
    tmp_path: Path, kind: str, part: float
) -> None:
    whole = encoded(tone(4.0), kind)
    samples = heard(tmp_path / "upload", whole[: int(part * len(whole))])
    assert 0.1 * part * 4 * RATE < len(samples) <= 4.1 * part * RATE + RATE


def test_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        heard(tmp_path / "upload", encoded(tone(4.0), "m4a")[:5000])


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "m4a", "webm"])
def test_damage_in_the_middle_costs_only_what_was_there(tmp_path: Path, kind: str) -> None:
    whole = bytearray(encoded(tone(6.0), kind))
    middle = len(whole) // 2
    whole[middle : middle + 300] = b"\xa5" * 300
    samples = heard(tmp_path / "upload", bytes(whole))
    assert len(samples) > 2 * RATE


@pytest.mark.parametrize("seconds", [0.02, 0.09])
def test_too_short_is_refused_with_openais_code(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(InvalidRequest) as refused:
        windows(write(tmp_path, tone(seconds)))
    assert refused.value.code == "audio_too_short"
    assert windows(write(tmp_path, tone(0.11)))[0].is_last


def test_long_audio_comes_in_windows_that_meet_in_pauses(tmp_path: Path) -> None:
    spoken = np.concatenate([tone(58.5), silence(1.0)] * 4)
    found = windows(write(tmp_path, spoken), seconds=60)
    assert [window.is_last for window in found] == [False] * (len(found) - 1) + [True]
    assert found[0].start == 0
    for before, after in itertools.pairwise(found):
        assert after.start == pytest.approx(before.start + before.duration)
        assert before.duration <= 60
        assert loudness(after.samples[: RATE // 10]) < 0.01
        assert loudness(before.samples[-RATE // 10 :]) < 0.01
    together = np.concatenate([window.samples for window in found])
    assert np.max(np.abs(together - spoken)) < 0.001


def test_length_is_known_beforehand_where_the_file_says_it(tmp_path: Path) -> None:
    with open_audio(write(tmp_path, tone(3.0), "flac")) as audio:
        assert audio.said_duration == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("kind", ["wav", "ogg"])
def test_stereo_is_heard_with_both_ears(tmp_path: Path, kind: str) -> None:
    samples = heard(tmp_path / "upload", encoded(tone(1.0), kind, layout="stereo"))
    assert len(samples) == pytest.approx(RATE, abs=0.1 * RATE)
    assert loudness(samples) == pytest.approx(0.25, rel=0.05)


def wav(samples: Samples, rate: int, channels: int = 1) -> bytes:
    """Return a WAV file whose channels are all the same."""
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setparams((channels, 2, rate, 0, "NONE", ""))
        output.writeframes(np.repeat(np.round(samples * 32767), channels).astype("<i2").tobytes())
    return file.getvalue()


def with_speakers(content: bytes, mask: int) -> bytes:
    """Return a WAV file of 16-bit samples that says where its channels are heard."""
    pcm = bytes.fromhex("0100000000001000800000aa00389b71")
    more = (22).to_bytes(2, "little") + (16).to_bytes(2, "little") + mask.to_bytes(4, "little")
    form = b"\xfe\xff" + content[22:36] + more + pcm
    return content[:16] + len(form).to_bytes(4, "little") + form + content[36:]


@pytest.mark.parametrize("channels", [4, 9, 20, 32, 64])
def test_any_number_of_channels_is_heard(tmp_path: Path, channels: int) -> None:
    samples = heard(tmp_path / "upload", wav(tone(1.0, 8000), 8000, channels))
    assert len(samples) == pytest.approx(RATE, abs=0.01 * RATE)
    assert loudness(samples) == pytest.approx(0.354, rel=0.05)


def test_channels_in_places_that_nobody_mixes_are_heard(tmp_path: Path) -> None:
    odd = with_speakers(wav(tone(1.0), RATE, 2), 0x808)  # a subwoofer, and one above the head
    assert loudness(heard(tmp_path / "upload", odd)) == pytest.approx(0.354, rel=0.05)


def test_more_channels_than_can_be_converted_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be converted") as refused:
        heard(tmp_path / "upload", wav(tone(1.0, 8000), 8000, 65))
    assert refused.value.param == "file"


@pytest.mark.parametrize("rate", [1, 999, 99_999_989])
def test_rate_that_no_recording_has_is_refused(tmp_path: Path, rate: int) -> None:
    # At 1 Hz, these 2 kB would be a quarter of an hour; the other end takes 900 MB to resample.
    with pytest.raises(InvalidRequest, match=f"has {rate} samples a second"):
        heard(tmp_path / "upload", wav(silence(1.0, 1000), rate))


def test_low_rate_is_read_in_pieces_of_a_known_length(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(wav(silence(100.0, 1000), 1000))
    with open_audio(str(path)) as audio:
        lengths = [len(block) for block in audio._blocks()]
    assert max(lengths) <= 30 * RATE
    assert sum(lengths) == pytest.approx(100 * RATE, abs=RATE)


def test_streams_that_were_joined_are_heard_as_one(tmp_path: Path) -> None:
    first, second = encoded(tone(1.0), "opus"), encoded(tone(2.0), "opus")
    samples = heard(tmp_path / "upload", first + second)
    assert len(samples) >= 0.9 * RATE
