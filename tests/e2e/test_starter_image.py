"""The embedded image model through the gateway: what it draws is told by plain pixel checks."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest
import yaml
from openai.types import ImagesResponse
from pictures import Scene, draw, recognise
from PIL import Image, ImageChops, ImageStat

from tests.e2e.sdk import strict
from tests.gateways import RunningGateway, eventually
from tests.starter_calls import RED_CIRCLE, STARTER

MODEL = "starter-image"
PROMPTS = STARTER / "image" / "held_out_prompts.yaml"
TIMEOUT = 180
"""Loading the libraries alone takes long on a busy machine."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("starter"), file_ttl="1s") as running:
        yield running


@pytest.fixture(scope="module")
def patience() -> float:
    return TIMEOUT


def pictures(answer: ImagesResponse) -> list[Image.Image]:
    """Return the pictures of an answer in base64, the answer checked."""
    assert strict(answer).data
    return [decoded(base64.b64decode(entry.b64_json or "")) for entry in answer.data or []]


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def generate(client: openai.OpenAI, prompt: str = "a red circle", **fields: Any) -> ImagesResponse:
    fields = {"seed": 1, **fields}
    own = {name: fields.pop(name) for name in list(fields) if name in _EXTENSIONS}
    answer: ImagesResponse = client.images.generate(
        model=MODEL, prompt=prompt, response_format="b64_json", extra_body=own, **fields
    )
    return answer


_EXTENSIONS = {"seed", "steps", "guidance_scale", "negative_prompt", "strength"}


def drawn(scene: Scene, side: int = 256) -> Image.Image:
    image: Image.Image = draw(scene, side, random.Random(3)).convert("RGB")
    return image


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    channels = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(channels) / len(channels)


def test_nearly_all_held_out_prompts_are_drawn_right(client: openai.OpenAI) -> None:
    asked = yaml.safe_load(PROMPTS.read_text("utf-8"))[::3]
    wrong = []
    for number, row in enumerate(asked):
        scene = Scene(row["count"], row["colour"], row["shape"], row["background"])
        (image,) = pictures(generate(client, row["prompt"], seed=number))
        if (found := recognise(image)) != scene:
            wrong.append(f"{row['prompt']!r} -> {found}")
    assert len(wrong) <= 0.1 * len(asked), wrong


async def test_default_of_every_name(async_client: openai.AsyncOpenAI) -> None:
    for model in ("dall-e-3", "gpt-image-1"):
        answer = await async_client.images.generate(
            model=model, prompt="a red circle", size="1024x1024", extra_body={"seed": 1},
            response_format="b64_json",
        )  # fmt: skip
        (image,) = pictures(answer)
        assert (image.size, recognise(image)) == ((1024, 1024), RED_CIRCLE)


def test_usage_counts_tokens_and_places(client: openai.OpenAI) -> None:
    answer = generate(client, n=2)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.text_tokens == 3
    assert answer.usage.input_tokens_details.image_tokens == 0
    assert answer.usage.output_tokens == 2 * 16 * 16
    assert answer.usage.total_tokens == 3 + 512


@pytest.mark.parametrize("size", ["auto", "256x256", "512x512", "300x200", "101x67"])
def test_size(client: openai.OpenAI, size: Any) -> None:
    (image,) = pictures(generate(client, size=size))
    assert f"{image.width}x{image.height}" == ("512x512" if size == "auto" else size)


@pytest.mark.parametrize(("kind", "compression"), [("png", 100), ("jpeg", 90), ("webp", 90)])
def test_output_format(client: openai.OpenAI, kind: Any, compression: int) -> None:
    answer = generate(client, output_format=kind, output_compression=compression)
    (image,) = pictures(answer)
    assert (image.format, answer.output_format) == (kind.upper(), kind)
    assert recognise(image) == RED_CIRCLE


def test_same_seed_gives_the_same_picture_and_n_takes_the_next(client: openai.OpenAI) -> None:
    two = pictures(generate(client, n=2, seed=5))
    again = pictures(generate(client, seed=5)) + pictures(generate(client, seed=6))
    assert [difference(a, b) for a, b in zip(two, again, strict=True)] == [0, 0]
    assert difference(*two) > 0


def test_pictures_differ_where_nobody_names_a_seed(client: openai.OpenAI) -> None:
    def any_picture() -> Image.Image:
        answer = client.images.generate(
            model=MODEL, prompt="a red circle", response_format="b64_json"
        )
        return pictures(answer)[0]

    one, other = any_picture(), any_picture()
    assert difference(one, other) > 0


@pytest.mark.parametrize(
    ("quality", "said"), [("low", "low"), ("standard", "medium"), ("hd", "high")]
)
def test_quality_decides_the_steps(
    gateway: RunningGateway, client: openai.OpenAI, quality: Any, said: str
) -> None:
    generate(client, quality="medium")
    before = gateway.worker_metric(MODEL, "steps_total")
    generate(client, quality="medium")
    medium = gateway.worker_metric(MODEL, "steps_total") - before
    assert generate(client, quality=quality).quality == said
    steps = gateway.worker_metric(MODEL, "steps_total") - before - medium
    assert {"low": steps < medium, "medium": steps == medium, "high": steps > medium}[said]


@pytest.mark.parametrize(
    "change", [{"steps": 3}, {"guidance_scale": 1.5}, {"negative_prompt": "a green background"}]
)
def test_extensions_change_the_picture(client: openai.OpenAI, change: dict[str, Any]) -> None:
    (usual,), (changed,) = pictures(generate(client)), pictures(generate(client, **change))
    assert difference(usual, changed) > 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": "transparent"}, "background"),
        ({"style": "natural"}, "style"),
        ({"size": "4096x4096"}, "size"),
        ({"negative_prompt": "x", "guidance_scale": 1.0}, "negative_prompt"),
    ],
)
def test_what_the_model_cannot_do_is_refused(
    client: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        generate(client, **fields)
    assert refused.value.param == param


def test_parameters_without_effect_are_taken(client: openai.OpenAI) -> None:
    answer = generate(client, user="me", moderation="low", style="vivid", background="opaque")
    assert answer.background == "opaque"


def test_address_ends_after_its_time(gateway: RunningGateway, client: openai.OpenAI) -> None:
    answer = client.images.generate(model=MODEL, prompt="a red circle", extra_body={"seed": 1})
    (entry,) = strict(answer).data or []
    assert entry.url is not None
    url = entry.url
    found = httpx2.get(url, timeout=TIMEOUT)
    if found.status_code == 200:  # a machine can be too busy to look within a second
        assert recognise(decoded(found.content)) == RED_CIRCLE
    gone = eventually(lambda: r if (r := gateway.http.get(url)).status_code == 404 else None)
    assert gone.json()["error"]["code"] == "file_not_found"


def test_stream_shows_the_picture_as_it_becomes(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        model=MODEL, prompt="a red circle", stream=True, partial_images=3, extra_body={"seed": 1}
    )
    events = [strict(event) for event in stream]
    kinds = [event.type.rpartition(".")[2] for event in events]
    assert kinds == [*["partial_image"] * 3, "completed"]
    images = [decoded(base64.b64decode(event.b64_json)) for event in events]
    assert {image.size for image in images} == {(512, 512)}
    distances = [difference(image, images[-1]) for image in images]
    assert distances == sorted(distances, reverse=True)
    assert difference(images[-1], pictures(generate(client))[0]) == 0


def test_stream_tells_each_step(gateway: RunningGateway) -> None:
    body = {"model": MODEL, "prompt": "a red circle", "stream": True, "steps": 4}
    answer = httpx2.post(f"{gateway.url}/v1/images/generations", json=body, timeout=TIMEOUT)
    comments = [line for line in answer.text.splitlines() if line.startswith(":")]
    assert comments == [f": progress {step}/4" for step in range(1, 5)]


def test_strong_edit_follows_the_prompt(client: openai.OpenAI) -> None:
    before = drawn(Scene(1, "blue", "square"))
    answer = client.images.edit(
        model=MODEL, image=png(before), prompt="a red square", response_format="b64_json",
        extra_body={"seed": 1, "strength": 0.9},
    )  # fmt: skip
    (image,) = pictures(answer)
    assert image.size == before.size
    found = recognise(image)
    assert found is not None
    assert found.colour == "red"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens > 0


def test_weak_edit_stays_close_to_the_picture(client: openai.OpenAI) -> None:
    before = drawn(Scene(1, "blue", "square"))

    def edited(strength: float) -> Image.Image:
        answer = client.images.edit(
            model=MODEL, image=png(before), prompt="a red circle", response_format="b64_json",
            extra_body={"seed": 1, "strength": strength},
        )  # fmt: skip
        return pictures(answer)[0]

    assert difference(edited(0), before) == 0
    assert difference(edited(0.2), before) < difference(edited(1), before)


async def test_edit_within_a_mask_keeps_the_rest(async_client: openai.AsyncOpenAI) -> None:
    before = drawn(Scene(1, "blue", "square"))
    mask = Image.new("RGBA", before.size, (0, 0, 0, 0))
    mask.paste((0, 0, 0, 255), (0, 0, 256, 20))
    answer = await async_client.images.edit(
        model=MODEL, image=png(before), mask=png(mask), prompt="a red circle",
        response_format="b64_json", extra_body={"seed": 1},
    )  # fmt: skip
    (image,) = pictures(answer)
    kept = (0, 0, 256, 20)
    assert difference(image.crop(kept), before.crop(kept)) == 0
    found = recognise(image)
    assert found is not None
    assert found.colour == "red"


def test_every_one_of_several_pictures_is_edited(client: openai.OpenAI) -> None:
    images = [png(drawn(Scene(1, "blue", "square"))), png(drawn(Scene(1, "green", "star"), 128))]
    answer = client.images.edit(
        model=MODEL, image=images, prompt="a red circle", response_format="b64_json",
        extra_body={"seed": 1, "strength": 0.9},
    )  # fmt: skip
    assert [image.size for image in pictures(answer)] == [(256, 256), (128, 128)]


def test_edit_streams_previews(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        model=MODEL, image=png(drawn(RED_CIRCLE)), prompt="a blue circle", stream=True,
        partial_images=2,
    )  # fmt: skip
    kinds = [strict(event).type for event in stream]
    assert kinds == [*["image_edit.partial_image"] * 2, "image_edit.completed"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input_fidelity": "high"}, "input_fidelity"),
        ({"image": b"Example data"}, "image"),
        ({"mask": png(Image.new("RGBA", (8, 8)))}, "mask"),
        ({"mask": png(Image.new("RGB", (256, 256)))}, "mask"),
        ({"background": "transparent"}, "background"),
    ],
)
def test_edit_that_cannot_be_done_is_refused(
    client: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    image = png(drawn(RED_CIRCLE))
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(**{"model": MODEL, "image": image, "prompt": "x", **fields})
    assert refused.value.param == param


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_variations_are_like_the_picture_and_unlike_each_other(client: openai.OpenAI) -> None:
    before = drawn(RED_CIRCLE)
    answer = client.images.create_variation(
        model=MODEL, image=png(before), n=2, size="256x256", response_format="b64_json",
        extra_body={"seed": 1},
    )  # fmt: skip
    one, other = pictures(answer)
    assert one.size == other.size == (256, 256)
    assert difference(one, other) > 0
    assert max(difference(one, before), difference(other, before)) < 90


def test_caller_who_leaves_frees_the_worker_within_a_step(
    gateway: RunningGateway, client: openai.OpenAI
) -> None:
    generate(client, steps=1)
    with frees_the_worker(gateway), pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=3).images.generate(
            model=MODEL, prompt="a red circle", n=10, extra_body={"steps": 200}
        )
    assert pictures(generate(client, steps=1))


def test_caller_who_leaves_a_stream_frees_the_worker_within_a_step(
    gateway: RunningGateway, client: openai.OpenAI
) -> None:
    generate(client, steps=1)
    body = {"model": MODEL, "prompt": "a red circle", "stream": True, "steps": 200, "n": 10}
    url = f"{gateway.url}/v1/images/generations"
    with (
        frees_the_worker(gateway),
        httpx2.stream("POST", url, json=body, timeout=TIMEOUT) as response,
    ):
        assert next(response.iter_lines()).startswith(": progress")
    assert pictures(generate(client, steps=1))


@contextmanager
def frees_the_worker(gateway: RunningGateway) -> Iterator[None]:
    """Expect that what is drawn in the block is given up when its caller leaves."""
    cancelled = gateway.worker_metric(MODEL, "cancelled_total")
    yield
    eventually(lambda: gateway.worker_metric(MODEL, "drawings_running") == 0)
    assert gateway.worker_metric(MODEL, "cancelled_total") == cancelled + 1
