"""One call of every modality to the embedded models, and what makes its answer right."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI
from pictures import Scene, caption, draw, recognise
from PIL import Image

from localai.settings import builtin_cards_folder
from tests.starter_whisper import word_errors

STARTER = builtin_cards_folder().parent
"""The folder of the embedded models."""

RED_CIRCLE = Scene(count=1, colour="red", shape="circle", background="white")
SENTENCE = "the quick brown fox jumps over the lazy dog"
Call = Callable[[AsyncOpenAI], Awaitable[None]]


def picture_uri(scene: Scene, size: int = 256, kind: str = "PNG", seed: int = 1) -> str:
    """Return a drawn picture as a data URI."""
    content = io.BytesIO()
    draw(scene, size, random.Random(seed)).convert("RGB").save(content, kind)
    data = base64.b64encode(content.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"


def about_picture(url: str, question: str = "What is in this image?") -> list[Any]:
    """Return a conversation that asks about a picture."""
    parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


async def chat(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "What is the capital of France?"}]
    )
    assert "Paris" in (answer.choices[0].message.content or "")


async def see(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4-vision-preview", messages=about_picture(picture_uri(RED_CIRCLE))
    )
    assert caption(RED_CIRCLE) in (answer.choices[0].message.content or "").lower()


async def embed(client: AsyncOpenAI) -> None:
    texts = ["a king sat on his throne", "the queen wore her crown", "bananas are yellow"]
    answer = await client.embeddings.create(model="text-embedding-ada-002", input=texts)
    king, queen, banana = (item.embedding for item in answer.data)
    assert _dot(king, queen) > _dot(king, banana)


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


async def say_and_hear(client: AsyncOpenAI) -> None:
    spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE)
    heard = await client.audio.transcriptions.create(
        model="whisper-1", file=("speech.mp3", spoken.content)
    )
    assert word_errors(SENTENCE, heard.text)[0] <= 1


async def draw_and_look(client: AsyncOpenAI) -> None:
    answer = await client.images.generate(
        model="dall-e-3", prompt="a red circle", response_format="b64_json",
        extra_body={"seed": 1},
    )  # fmt: skip
    assert answer.data
    content = base64.b64decode(answer.data[0].b64_json or "")
    assert recognise(Image.open(io.BytesIO(content)).convert("RGB")) == RED_CIRCLE


ALL_CALLS: dict[str, Call] = {
    "chat": chat,
    "vision": see,
    "embedding": embed,
    "audio": say_and_hear,
    "image": draw_and_look,
}
