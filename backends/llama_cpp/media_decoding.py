"""Decodes the pictures and recordings of a chat into what the projector reads."""

from __future__ import annotations

import base64
import binascii
import io

import av
import numpy as np
from av.audio.resampler import AudioResampler
from PIL import Image, ImageOps

from backends.llama_cpp.engine.media import Medium
from localai.errors import InvalidRequest
from localai.protocol.requests import ContentPart

MOST_PIXELS = 64_000_000
"""A picture of more pixels is refused before it is unpacked."""
_LOW_DETAIL = 512
"""The side of the square that a picture of `detail: low` is made to fit, as OpenAI does."""
_LONGEST_RECORDING = 600
"""Seconds."""


def decode_picture(part: ContentPart, param: str) -> Medium:
    """Return the picture of a part, upright and on white where it is transparent.

    Raises InvalidRequest for what is no picture, and for one that unpacks into too much.
    """
    assert part.image_url is not None
    param = f"{param}.image_url.url"
    content = _data_uri(part.image_url.url, param)
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidRequest(
                    f"The picture '{param}' has {image.width}x{image.height} pixels; "
                    f"{MOST_PIXELS:,} are the most.",
                    param=param,
                )
            upright = ImageOps.exif_transpose(image)
            if part.image_url.detail == "low":
                upright.thumbnail((_LOW_DETAIL, _LOW_DETAIL))
            return Medium(np.asarray(_on_white(upright), np.uint8))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidRequest(
            f"The picture '{param}' cannot be read: {error}.", param=param, code="invalid_image"
        ) from None


def decode_recording(part: ContentPart, rate: int, param: str) -> Medium:
    """Return the recording of a part as one channel at `rate` samples a second.

    Raises InvalidRequest for what is no audio.
    """
    assert part.input_audio is not None
    param = f"{param}.input_audio.data"
    content = _from_base64(part.input_audio.data, param)
    resampler = AudioResampler(format="flt", layout="mono", rate=rate)
    samples: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(content), "r") as container:
            for frame in container.decode(audio=0):
                samples += [one.to_ndarray()[0] for one in resampler.resample(frame)]
                if sum(map(len, samples)) > _LONGEST_RECORDING * rate:
                    raise InvalidRequest(
                        f"'{param}' is longer than {_LONGEST_RECORDING} s.", param=param
                    )
            samples += [one.to_ndarray()[0] for one in resampler.resample(None)]
    except (av.FFmpegError, IndexError) as error:
        raise InvalidRequest(
            f"'{param}' is no audio that can be read: {error}.", param=param, code="invalid_audio"
        ) from None
    if not samples:
        raise InvalidRequest(f"'{param}' holds no sound.", param=param, code="invalid_audio")
    return Medium(np.concatenate(samples).astype(np.float32))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    shown = image.convert("RGBA")
    paper = Image.new("RGBA", shown.size, "white")
    return Image.alpha_composite(paper, shown).convert("RGB")


def _data_uri(url: str, param: str) -> bytes:
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise InvalidRequest(f"'{param}' must be a data URI in base64 here.", param=param)
    return _from_base64(data, param)


def _from_base64(data: str, param: str) -> bytes:
    try:
        return base64.b64decode(data)
    except binascii.Error:
        raise InvalidRequest(f"'{param}' is not valid base64.", param=param) from None
