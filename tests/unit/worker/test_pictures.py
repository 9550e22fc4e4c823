from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from localai.errors import EngineFailed
from localai.protocol import sse
from localai.protocol.events import Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.pictures import Asked, PictureForm
from localai.worker.results import Picture, Step
from tests import openai_spec

RED = Image.new("RGB", (64, 32), "red")
FIRST = Picture(RED, 0, None, text_tokens=3, image_tokens=0, output_tokens=128)
SECOND = Picture(Image.new("RGB", (64, 32), "blue"), 1, None, output_tokens=128)


async def whole(asked: Asked, *events: Step | Picture | Usage) -> dict[str, Any]:
    form = PictureForm(asked)
    for event in events:
        form.collect(event)
    body = bytes((await form.whole()).body)
    if openai_spec.is_here():
        openai_spec.check("ImagesResponse", json.loads(body))
    return dict(json.loads(body))


def image_of(entry: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(entry["b64_json"])))


async def test_whole_answer_has_the_pictures_in_order_and_usage_last() -> None:
    partial = Picture(RED, 0, 0)
    answer = await whole(
        ImageRequest(prompt="x", n=2), Step(1, 2), partial, SECOND, FIRST, Usage(3, 256)
    )
    assert [image_of(entry).getpixel((1, 1)) for entry in answer["data"]] == [
        (255, 0, 0),
        (0, 0, 255),
    ]
    assert list(answer)[-1] == "usage"
    assert answer["usage"] == {
        "input_tokens": 3,
        "output_tokens": 256,
        "total_tokens": 259,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
    }
    assert "size" not in answer


async def test_usage_is_found_by_the_gateway() -> None:
    from localai.api import relay

    form = PictureForm(ImageRequest(prompt="x"))
    form.collect(FIRST)
    body = bytes((await form.whole()).body)
    found = relay._USAGE.search(body, max(0, len(body) - relay._USAGE_AT_MOST))
    assert found is not None
    assert (found[1], found[2]) == (b"3", b"128")


@pytest.mark.parametrize(
    ("quality", "said"),
    [(None, "medium"), ("auto", "medium"), ("standard", "medium"), ("hd", "high"), ("low", "low")],
)
async def test_quality_is_said_in_the_words_of_the_specification(quality: Any, said: str) -> None:
    answer = await whole(ImageRequest(prompt="x", quality=quality), FIRST)
    assert answer["quality"] == said


async def test_size_is_said_where_the_specification_knows_it() -> None:
    picture = Picture(Image.new("RGB", (1536, 1024)))
    assert (await whole(ImageRequest(prompt="x"), picture))["size"] == "1536x1024"


async def test_background_is_what_the_picture_has() -> None:
    clear = Picture(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    assert (await whole(ImageRequest(prompt="x"), clear))["background"] == "transparent"
    assert (await whole(ImageRequest(prompt="x"), FIRST))["background"] == "opaque"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_format_is_the_asked_one(kind: Any) -> None:
    answer = await whole(ImageRequest(prompt="x", output_format=kind), FIRST)
    assert image_of(answer["data"][0]).format == kind.upper()
    assert answer["output_format"] == kind


async def test_variations_are_png() -> None:
    answer = await whole(ImageVariationRequest(image="/x"), FIRST)
    assert image_of(answer["data"][0]).format == "PNG"


async def test_steps_are_comments() -> None:
    form = PictureForm(ImageRequest(prompt="x"))
    assert await form.pieces(Step(3, 20)) == b": progress 3/20\n\n"
    assert await form.pieces(Usage(1, 2)) == b""
    assert await form.ending() == sse.DONE
    assert b"engine_failed" in form.failure(EngineFailed("x"))


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (ImageRequest(prompt="x", stream=True), "image_generation"),
        (ImageEditRequest(prompt="x", images=["/x"], stream=True), "image_edit"),
    ],
)
async def test_events_have_the_names_of_their_route(asked: Asked, kind: str) -> None:
    form = PictureForm(asked)
    partial = await form.pieces(Picture(RED, 0, 1))
    done = await form.pieces(FIRST)
    for frame, name in ((partial, f"{kind}.partial_image"), (done, f"{kind}.completed")):
        head, data = frame.decode().strip().split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert head == f"event: {name}"
        assert event["type"] == name
        assert event["size"] == "64x32"
        assert image_of(event).size == (64, 32)
    assert b'"partial_image_index":1' in partial
    assert b'"total_tokens":131' in done
