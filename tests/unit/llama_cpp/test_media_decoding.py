from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from backends.llama_cpp.media_decoding import decode_picture, decode_recording
from localai.errors import InvalidRequest
from localai.protocol.requests import ContentPart

PARAM = "messages[0].content[0]"


def picture_part(content: bytes, **fields: Any) -> ContentPart:
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return ContentPart.model_validate({"type": "image_url", "image_url": {"url": url, **fields}})


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def decoded(content: bytes, **fields: Any) -> Any:
    return decode_picture(picture_part(content, **fields), PARAM).data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_usual_format_is_read(kind: str) -> None:
    pixels = decoded(encoded(Image.new("RGB", (40, 20), (200, 30, 30)), kind))
    assert pixels.shape == (20, 40, 3)
    assert np.abs(pixels.astype(int) - (200, 30, 30)).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16", "LA", "RGBA"])
def test_every_mode_becomes_colours(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decoded(encoded(Image.new(mode, (8, 8)), kind)).shape == (8, 8, 3)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_grey_of_16_bits_keeps_its_shades(mode: str) -> None:
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = shades * np.array(257, ">u2" if mode == "I;16B" else np.int32 if mode == "I" else "<u2")
    image = Image.frombytes(mode, (16, 16), deep.tobytes())
    pixels = decoded(encoded(image, "TIFF"))
    assert (pixels == shades[:, :, None]).all()


def test_transparent_means_white() -> None:
    pixels = decoded(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))))
    assert (pixels == 255).all()


def test_a_turned_camera_gives_an_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    assert decoded(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).shape == (40, 20, 3)


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of entries of tag, type, count and value, behind a turn by a quarter."""
    turned = [(0x0112, 3, 1, b"\6\0\0\0"), *entries]
    content = b"".join(struct.pack("<HHI4s", *entry) for entry in turned)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(turned)) + content + bytes(4)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param((282, 2, 1, b"\x81\0\0\0"), id="a word as resolution"),
        pytest.param((296, 9, 1, b"\xee\x6e\xfb\xf2"), id="a unit below zero"),
        pytest.param((315, 11, 1, b"\xb5\x43\x7d\x8a"), id="a number as artist"),
    ],
)
def test_broken_notes_of_a_camera_are_refused(entry: tuple[int, int, int, bytes]) -> None:
    content = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif(entry))
    with pytest.raises(InvalidRequest, match="EXIF data is broken") as raised:
        decoded(content)
    assert raised.value.code == "invalid_image"


def test_low_detail_makes_a_large_picture_small() -> None:
    large = encoded(Image.new("RGB", (2048, 1024)))
    assert decoded(large, detail="low").shape == (256, 512, 3)
    assert decoded(large, detail="high").shape == (1024, 2048, 3)
    assert decoded(encoded(Image.new("RGB", (64, 64))), detail="low").shape == (64, 64, 3)


def test_a_decompression_bomb_is_refused_unopened() -> None:
    size = struct.pack(">II", 30_000, 30_000) + bytes([8, 2, 0, 0, 0])
    header = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    bomb = b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    with pytest.raises(InvalidRequest) as raised:
        decoded(bomb)
    assert raised.value.param == f"{PARAM}.image_url.url"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(20), b"\xff\xd8\xff\xe0junk"])
def test_a_broken_picture_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        decoded(content)


def test_half_a_picture_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    content = encoded(Image.fromarray(noise))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        decoded(content[: len(content) // 2])


def audio_part(content: bytes) -> ContentPart:
    data = base64.b64encode(content).decode()
    return ContentPart.model_validate({"type": "input_audio", "input_audio": {"data": data}})


def tone(rate: int, seconds: float, kind: str = "wav") -> bytes:
    codec, form = {"wav": ("pcm_s16le", "s16"), "mp3": ("libmp3lame", "s16p")}[kind]
    samples = (8000 * np.sin(np.arange(round(rate * seconds)) / 10)).astype(np.int16)
    content = io.BytesIO()
    with av.open(content, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format=form, layout="mono")
        frame.rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()


def test_a_recording_comes_at_the_models_rate() -> None:
    samples = decode_recording(audio_part(tone(44_100, 0.5)), 16_000, PARAM).data
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(8_000, abs=50)
    assert 0.2 < np.abs(samples).max() < 0.3


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no audio") as raised:
        decode_recording(audio_part(b"RIFF0000WAVEjunk"), 16_000, PARAM)
    assert raised.value.param == f"{PARAM}.input_audio.data"


@pytest.mark.parametrize("samples", [1, 2, 1599])
def test_a_recording_too_short_to_be_heard_is_refused(samples: int) -> None:
    with pytest.raises(InvalidRequest, match=r"less than 0\.1 seconds") as raised:
        decode_recording(audio_part(tone(16_000, samples / 16_000)), 16_000, PARAM)
    assert raised.value.code == "audio_too_short"
    assert raised.value.param == f"{PARAM}.input_audio.data"


def test_a_tenth_of_a_second_is_heard() -> None:
    assert len(decode_recording(audio_part(tone(16_000, 0.1)), 16_000, PARAM).data) == 1600


def test_a_recording_longer_than_ten_minutes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="longer than 600 s"):
        decode_recording(audio_part(tone(8_000, 601)), 16_000, PARAM)


def test_joined_recordings_of_two_rates_are_heard_whole() -> None:
    joined = tone(44_100, 0.5, "mp3") + tone(22_050, 0.5, "mp3")
    samples = decode_recording(audio_part(joined), 16_000, PARAM).data
    assert len(samples) == pytest.approx(16_000, rel=0.2)
    assert min(np.abs(samples[2_000:6_000]).max(), np.abs(samples[11_000:14_000]).max()) > 0.2


def test_a_title_in_an_old_encoding_is_no_matter() -> None:
    said = b"INFOINAM\6\0\0\0Caf\xe9s\0"
    content = tone(16_000, 0.5)
    content = content[:12] + b"LIST" + struct.pack("<I", len(said)) + said + content[12:]
    assert len(decode_recording(audio_part(content), 16_000, PARAM).data) == 8_000


def test_a_playlist_reads_no_file_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.wav").write_bytes(tone(16_000, 0.5))
    monkeypatch.chdir(tmp_path)
    playlist = b"ffconcat version 1.0\nfile secret.wav\n"
    with pytest.raises(InvalidRequest, match="no audio"):
        decode_recording(audio_part(playlist), 16_000, PARAM)
