"""Pictures without an engine: one colour that the prompt decides, so that a test can foresee it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

from PIL import Image

from localai.protocol.events import Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.picture_decoding import read_picture
from localai.worker.results import Picture, Step

from .triggers import Triggers, split_triggers

Asked = ImageRequest | ImageEditRequest | ImageVariationRequest
Colour = tuple[int, int, int]
DEFAULT_STEPS = 4
DEFAULT_SIZE = (64, 64)


def colour_of(prompt: str, seed: int = 0) -> Colour:
    """Return the colour of the picture that echo draws for `prompt`."""
    digest = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
    return digest[0], digest[1], digest[2]


async def draw(asked: Asked, base: Triggers) -> AsyncGenerator[Step | Picture | Usage, None]:
    """Draw `n` pictures, each seed its own, with `steps` steps each; a token is a word or a pixel.

    An edit changes where its mask is transparent, and everything without one; a variation keeps
    the size of its picture.
    """
    prompt = "" if isinstance(asked, ImageVariationRequest) else asked.prompt
    text, triggers = split_triggers(prompt, base)
    await asyncio.sleep(triggers.delay)
    triggers.strike("before")
    inputs = _inputs(asked)
    steps, count = asked.steps or DEFAULT_STEPS, asked.n or 1
    pixels = 0
    for index in range(count):
        image = _finished(asked, inputs, colour_of(text, (asked.seed or 0) + index))
        for done in range(1, steps + 1):
            await asyncio.sleep(triggers.slow)
            yield Step(index * steps + done, count * steps)
            if (partial := _partial(asked, done, steps)) is not None:
                yield Picture(image, index, partial)
            if done == steps // 2:
                triggers.strike("mid")
        pixels += image.width * image.height
        words = len(text.split()) if index == 0 else 0
        yield Picture(image, index, None, words, 0, image.width * image.height)
    yield Usage(len(text.split()), pixels)


def _inputs(asked: Asked) -> list[Image.Image]:
    if isinstance(asked, ImageRequest):
        return []
    paths = asked.images if isinstance(asked, ImageEditRequest) else [asked.image]
    return [read_picture(Path(path), param="image") for path in paths]


def _finished(asked: Asked, inputs: list[Image.Image], colour: Colour) -> Image.Image:
    own = inputs[0].size if inputs else DEFAULT_SIZE
    size = asked.width_and_height() or own
    if getattr(asked, "background", None) == "transparent":
        return Image.new("RGBA", size, (*colour, 128))
    image = Image.new("RGB", size, colour)
    if isinstance(asked, ImageEditRequest) and asked.mask is not None:
        mask = read_picture(Path(asked.mask), param="mask").convert("RGBA").getchannel("A")
        image.paste(inputs[0].convert("RGB").resize(size), mask=mask.resize(size))
    return image


def _partial(asked: Asked, done: int, steps: int) -> int | None:
    """Return which preview follows step `done`, None for no preview."""
    wanted = getattr(asked, "partial_images", None) or 0
    places = [max(1, steps * (number + 1) // (wanted + 1)) for number in range(wanted)]
    return places.index(done) if done in places else None
