from __future__ import annotations

import base64
import io
import struct
import zlib
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


def test_transparent_means_white() -> None:
    pixels = decoded(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))))
    assert (pixels == 255).all()


def test_a_turned_camera_gives_an_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    assert decoded(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).shape == (40, 20, 3)


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


def tone(rate: int, seconds: float) -> bytes:
    samples = (8000 * np.sin(np.arange(int(rate * seconds)) / 10)).astype(np.int16)
    content = io.BytesIO()
    with av.open(content, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
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
