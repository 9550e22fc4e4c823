"""Decodes the pictures and recordings of a chat into what the projector reads."""

from __future__ import annotations

import base64
import binascii
import io
import itertools
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from PIL import Image, ImageOps

from backends.llama_cpp.engine.media import Medium
from localai.errors import InvalidRequest
from localai.protocol.requests import ContentPart
from localai.worker.picture_decoding import in_eight_bits, on_white

MOST_PIXELS = 64_000_000
"""A picture of more pixels is refused before it is unpacked."""
_LOW_DETAIL = 512
"""The side of the square that a picture of `detail: low` is made to fit, as OpenAI does."""
_SHORTEST_RECORDING, _LONGEST_RECORDING = 0.1, 600
"""Seconds. llama.cpp ends the process over a single sample; OpenAI transcribes from 0.1 s on."""
_CONTAINERS = "aac,aiff,amr,asf,au,caf,flac,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav"
"""FFmpeg also reads playlists, which may name other files and addresses: these name none."""


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
            upright = _in_8_bits(_upright(image))
            if part.image_url.detail == "low":
                upright.thumbnail((_LOW_DETAIL, _LOW_DETAIL))
            return Medium(np.asarray(on_white(upright), np.uint8))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidRequest(
            f"The picture '{param}' cannot be read: {error}.", param=param, code="invalid_image"
        ) from None


def decode_recording(part: ContentPart, rate: int, param: str) -> Medium:
    """Return the recording of a part as one channel at `rate` samples a second.

    Raises InvalidRequest for what is no audio, and for what is too short or too long to be heard.
    """
    assert part.input_audio is not None
    param = f"{param}.input_audio.data"
    content = _from_base64(part.input_audio.data, param)
    try:
        with _opened(content) as container:
            blocks = list(_limited(_blocks(_frames(container), rate), rate, param))
    except (av.FFmpegError, IndexError) as error:
        raise InvalidRequest(
            f"'{param}' is no audio that can be read: {error}.", param=param, code="invalid_audio"
        ) from None
    if sum(map(len, blocks)) < _SHORTEST_RECORDING * rate:
        raise InvalidRequest(
            f"'{param}' has less than {_SHORTEST_RECORDING} seconds of sound that can be read.",
            param=param,
            code="audio_too_short",
        )
    return Medium(np.concatenate(blocks).astype(np.float32))


def _opened(content: bytes) -> Any:
    options = {"format_whitelist": _CONTAINERS}
    return av.open(io.BytesIO(content), "r", metadata_errors="ignore", options=options)


def _frames(container: Any) -> Iterator[Any]:
    """Decode what can be decoded: where files were joined, the second one's title cannot."""
    for packet in container.demux(container.streams.audio[0]):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _blocks(frames: Iterable[Any], rate: int) -> Iterator[NDArray[np.float32]]:
    # The parameters may change in the middle, as where files were joined.
    for _, alike in itertools.groupby(frames, key=_parameters):
        resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        for frame in itertools.chain(alike, [None]):
            for one in resampler.resample(frame):
                yield one.to_ndarray()[0]


def _parameters(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _limited(
    blocks: Iterable[NDArray[np.float32]], rate: int, param: str
) -> Iterator[NDArray[np.float32]]:
    """Yield `blocks`; raises InvalidRequest once they are too long together."""
    length = 0
    for block in blocks:
        length += len(block)
        if length > _LONGEST_RECORDING * rate:
            raise InvalidRequest(f"'{param}' is longer than {_LONGEST_RECORDING} s.", param=param)
        yield block


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (AttributeError, TypeError, struct.error) as error:
        # Pillow writes the data anew for the turned picture, and trips over what is wrong in it.
        raise ValueError(f"its EXIF data is broken ({error})") from None


def _in_8_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") and image.mode != "I;16":
        # TIFF has greys of 16 bits in more ways than one.
        image = Image.fromarray(np.asarray(image).clip(0, 65535).astype(np.uint16))
    return in_eight_bits(image)


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
