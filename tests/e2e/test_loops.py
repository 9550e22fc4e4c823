"""The embedded models understand each other: speech is heard, pictures are seen."""

from __future__ import annotations

import asyncio
import base64
import io
import random
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from pictures import all_scenes, caption, is_held_out

from tests.gateways import RunningGateway
from tests.starter_calls import (
    ALL_CALLS,
    about_picture,
    picture_uri,
)
from tests.starter_whisper import error_rate, held_out

_SPOKEN = 60
_DRAWN = 30
_SEEN = 60


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("starters"), log_level="warning") as running:
        yield running


@pytest_asyncio.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="any", timeout=300, max_retries=0
    ) as client:
        yield client


async def test_what_is_said_is_heard(client: AsyncOpenAI) -> None:
    """Text to speech to text over sentences that no training has seen."""
    pairs = []
    for number, sentence in enumerate(random.Random(1).sample(held_out(), _SPOKEN)):
        spoken = await client.audio.speech.create(
            model="tts-1",
            voice=("alloy", "echo", "nova", "onyx")[number % 4],
            input=sentence,
            response_format=("mp3", "opus", "aac", "flac", "wav")[number % 5],
        )
        heard = await client.audio.transcriptions.create(
            model="whisper-1", file=("speech", spoken.content)
        )
        pairs.append((sentence, heard.text))
    assert error_rate(pairs) <= 0.1


async def test_what_is_drawn_is_seen(client: AsyncOpenAI) -> None:
    """Prompt to picture to description over scenes that no training has seen."""
    scenes = random.Random(2).sample([s for s in all_scenes() if is_held_out(s)], _DRAWN)
    right = 0
    for number, scene in enumerate(scenes):
        drawn = await client.images.generate(
            model="dall-e-3", prompt=caption(scene), size="256x256", response_format="b64_json",
            extra_body={"seed": number},
        )  # fmt: skip
        assert drawn.data
        url = f"data:image/png;base64,{drawn.data[0].b64_json}"
        answer = await client.chat.completions.create(model="gpt-4o", messages=about_picture(url))
        right += caption(scene) in (answer.choices[0].message.content or "").lower()
    assert right >= 0.8 * len(scenes)


async def test_pictures_are_described(client: AsyncOpenAI) -> None:
    """At any size and in any format, over scenes that no training has seen."""
    scenes = random.Random(3).sample([s for s in all_scenes() if is_held_out(s)], _SEEN)
    right = 0
    for number, scene in enumerate(scenes):
        size = (48, 64, 100, 224, 512, 1024)[number % 6]
        url = picture_uri(scene, size, ("PNG", "JPEG", "WEBP")[number % 3], seed=number)
        answer = await client.chat.completions.create(model="gpt-4o", messages=about_picture(url))
        right += caption(scene) in (answer.choices[0].message.content or "").lower()
    assert right >= 0.9 * len(scenes)


async def test_all_models_at_the_same_time(client: AsyncOpenAI) -> None:
    """Six calls of every kind at once: each answer is as right as it is alone."""
    await asyncio.gather(*(call(client) for call in ALL_CALLS.values() for _ in range(6)))


def test_a_picture_survives_base64() -> None:
    """The data URI of a test picture holds what was drawn."""
    from PIL import Image

    scene = next(iter(all_scenes()))
    content = base64.b64decode(picture_uri(scene, 64).partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (64, 64)
