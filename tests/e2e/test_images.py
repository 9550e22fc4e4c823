"""Pictures by OpenAI's client over the echo worker, which draws in the colour of the prompt."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, Literal

import httpx2
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from backends.echo.drawing import colour_of
from tests.e2e.sdk import strict
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.openai_spec import CheckedTransport

PROMPT = "a red circle"
Format = Literal["png", "jpeg", "webp"]


def png(image: Image.Image, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


PHOTO = png(Image.new("RGB", (40, 24), "white"))


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def pictures(answer: ImagesResponse) -> list[Image.Image]:
    """Return the pictures of an answer in base64, the answer checked."""
    assert strict(answer).data
    return [decoded(base64.b64decode(entry.b64_json or "")) for entry in answer.data or []]


def uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def centre(image: Image.Image) -> Any:
    return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


def post(gateway: RunningGateway, path: str, **options: Any) -> httpx2.Response:
    with httpx2.Client(transport=CheckedTransport(), timeout=DEADLINE) as http:
        return http.post(f"{gateway.url}/v1/images/{path}", **options)


def test_generation(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="echo", prompt=PROMPT, n=2, size="96x64", response_format="b64_json",
        extra_body={"seed": 5},
    )  # fmt: skip
    images = pictures(answer)
    assert [image.size for image in images] == [(96, 64)] * 2
    assert [centre(image) for image in images] == [colour_of(PROMPT, 5), colour_of(PROMPT, 6)]
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2 * 96 * 64)


async def test_generation_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.images.generate(
        model="echo", prompt=PROMPT, response_format="b64_json"
    )
    assert centre(pictures(answer)[0]) == colour_of(PROMPT)


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024", "1024x1536"])
def test_sizes_of_openai_are_said_in_the_answer(client: openai.OpenAI, size: Any) -> None:
    answer = client.images.generate(
        model="echo", prompt=PROMPT, size=size, response_format="b64_json"
    )
    image = pictures(answer)[0]
    assert answer.size == size == f"{image.width}x{image.height}"


@pytest.mark.parametrize("path", ["images/generations", "v1/images/generations/"])
def test_other_paths(gateway: RunningGateway, path: str) -> None:
    body = {"model": "echo", "prompt": PROMPT}
    assert httpx2.post(f"{gateway.url}/{path}", json=body, timeout=DEADLINE).status_code == 200


def test_default_answers_where_no_model_is_named(client: openai.OpenAI) -> None:
    assert client.with_options(timeout=120).images.generate(prompt=PROMPT).data


@pytest.mark.parametrize(
    ("model", "fields", "is_url"),
    [
        ("echo", {}, True),
        ("dall-e-2", {}, True),
        ("dall-e-3", {}, True),
        ("gpt-image-1", {}, False),
        ("gpt-image-1-mini", {}, False),
        ("gpt-image-2", {}, False),
        ("chatgpt-image-latest", {}, False),
        ("gpt-image-1", {"response_format": "url"}, True),
        ("dall-e-3", {"response_format": "b64_json"}, False),
    ],
)
def test_pictures_come_as_the_name_makes_one_expect(
    gateway: RunningGateway, client: openai.OpenAI, model: str, fields: dict[str, Any], is_url: bool
) -> None:
    client = client.with_options(timeout=120)
    answer = client.images.generate(model=model, prompt=PROMPT, size="64x64", **fields)
    (entry,) = strict(answer).data or []
    assert (entry.url is not None, entry.b64_json is not None) == (is_url, not is_url)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_address_leads_to_the_picture(
    gateway: RunningGateway, client: openai.OpenAI, kind: Format
) -> None:
    answer = client.images.generate(model="echo", prompt=PROMPT, n=2, output_format=kind)
    urls = [entry.url or "" for entry in answer.data or []]
    assert len(set(urls)) == 2
    for url in urls:
        assert url.startswith(f"{gateway.url}/generated/")
        found = httpx2.get(url, timeout=DEADLINE)
        assert found.headers["content-type"] == f"image/{kind}"
        assert found.headers["content-length"] == str(len(found.content))
        assert decoded(found.content).format == kind.upper()
        assert httpx2.head(url, timeout=DEADLINE).status_code == 200
        assert post(gateway, "generations", content=b"").status_code == 400


@pytest.mark.parametrize("name", ["x.png", "..%2Fin-use", "%2e%2e/in-use", "%00", "a%2Fb", ""])
def test_other_addresses_lead_nowhere(gateway: RunningGateway, name: str) -> None:
    found = httpx2.get(f"{gateway.url}/generated/{name}", timeout=DEADLINE)
    assert found.status_code == 404
    assert found.json()["error"]["code"] in {"file_not_found", "unknown_url"}


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_output_format(client: openai.OpenAI, kind: Format) -> None:
    answer = client.images.generate(
        model="echo", prompt=PROMPT, output_format=kind, response_format="b64_json"
    )
    (image,) = pictures(answer)
    assert image.format == kind.upper()
    assert answer.output_format == kind
    assert all(abs(a - b) < 12 for a, b in zip(centre(image), colour_of(PROMPT), strict=True))


def test_compression_makes_files_smaller(client: openai.OpenAI) -> None:
    def size(compression: int) -> int:
        answer = client.images.edit(
            model="echo", prompt=PROMPT, image=PHOTO, mask=NOISE_KEPT, output_format="webp",
            output_compression=compression, response_format="b64_json",
        )  # fmt: skip
        assert answer.data
        return len(answer.data[0].b64_json or "")

    assert size(0) <= size(100)


NOISE_KEPT = png(Image.new("RGBA", (40, 24), (0, 0, 0, 200)))


def test_transparent_background(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="echo", prompt=PROMPT, background="transparent", response_format="b64_json"
    )
    assert pictures(answer)[0].mode == "RGBA"
    assert answer.background == "transparent"


def test_parameters_without_effect_are_taken(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="echo", prompt=PROMPT, user="me", moderation="low", style="vivid", quality="hd",
        background="auto", output_compression=100, response_format="b64_json",
    )  # fmt: skip
    assert answer.quality == "high"
    assert pictures(answer)


def test_fields_that_nobody_knows_are_named(gateway: RunningGateway) -> None:
    body = {"model": "echo", "prompt": PROMPT, "step": 5, "effort": "high"}
    answer = post(gateway, "generations", json=body)
    assert answer.headers["x-localai-ignored"] == "effort, step"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"size": "huge"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"response_format": "gif"}, "response_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"partial_images": 2}, "partial_images"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"response_format": "url", "stream": True}, "response_format"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
    ],
)
def test_wrong_field_is_a_400_that_names_it(
    client: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**{"model": "echo", "prompt": PROMPT, **fields})
    assert refused.value.param == param


def test_model_that_does_not_draw_is_a_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="starter-chat", prompt=PROMPT)
    assert refused.value.param == "model"


def test_unknown_model_is_a_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="nobody", prompt=PROMPT)


@pytest.mark.parametrize("partials", [0, 1, 3])
def test_stream(client: openai.OpenAI, partials: int) -> None:
    stream = client.images.generate(
        model="echo", prompt=PROMPT, stream=True, partial_images=partials, size="1024x1024"
    )
    events = list(stream)
    assert [event.type for event in events] == [
        *["image_generation.partial_image"] * partials, "image_generation.completed"
    ]  # fmt: skip
    for event in events:
        assert strict(event).size == "1024x1024"
        assert centre(decoded(base64.b64decode(event.b64_json))) == colour_of(PROMPT)
    indexes = [e.partial_image_index for e in events if e.type == "image_generation.partial_image"]
    assert indexes == list(range(partials))
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.output_tokens == 1024 * 1024


async def test_stream_awaited(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.images.generate(
        model="echo", prompt=PROMPT, stream=True, partial_images=2
    )
    kinds = [event.type.rpartition(".")[2] async for event in stream]
    assert kinds == ["partial_image", "partial_image", "completed"]


def test_stream_of_several_pictures_ends_each(client: openai.OpenAI) -> None:
    events = list(client.images.generate(model="echo", prompt=PROMPT, stream=True, n=2))
    images = [decoded(base64.b64decode(event.b64_json)) for event in events]
    assert [centre(image) for image in images] == [colour_of(PROMPT), colour_of(PROMPT, 1)]


def test_stream_tells_its_progress_in_comments(gateway: RunningGateway) -> None:
    body = {"model": "echo", "prompt": PROMPT, "stream": True, "steps": 3}
    lines = post(gateway, "generations", json=body).text.splitlines()
    assert [line for line in lines if line.startswith(":")] == [
        ": progress 1/3", ": progress 2/3", ": progress 3/3"
    ]  # fmt: skip
    assert "event: image_generation.completed" in lines
    assert lines[-2] == "data: [DONE]"


def test_edit(client: openai.OpenAI) -> None:
    answer = client.images.edit(
        model="echo", image=("photo.png", PHOTO), prompt=PROMPT, response_format="b64_json"
    )
    (image,) = pictures(answer)
    assert image.size == (40, 24)
    assert centre(image) == colour_of(PROMPT)


async def test_edit_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.images.edit(
        model="echo", image=PHOTO, prompt=PROMPT, response_format="b64_json", n=3
    )
    assert len(pictures(answer)) == 3


def test_edit_of_several_pictures(client: openai.OpenAI) -> None:
    answer = client.images.edit(
        model="echo", image=[PHOTO, PHOTO], prompt=PROMPT, response_format="b64_json"
    )
    assert pictures(answer)


def test_edit_within_a_mask(client: openai.OpenAI) -> None:
    mask = Image.new("RGBA", (40, 24), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 20, 24))
    answer = client.images.edit(
        model="echo", image=PHOTO, mask=png(mask), prompt=PROMPT, response_format="b64_json"
    )
    (image,) = pictures(answer)
    assert image.getpixel((5, 5)) == colour_of(PROMPT)
    assert image.getpixel((35, 5)) == (255, 255, 255)


def test_edit_with_every_parameter(client: openai.OpenAI) -> None:
    answer = client.images.edit(
        model="echo", image=PHOTO, prompt=PROMPT, n=2, size="64x32", quality="low", user="me",
        output_format="webp", output_compression=90, background="opaque", input_fidelity="low",
        extra_body={"seed": 3, "strength": 0.4, "negative_prompt": "blue", "steps": 2,
                    "guidance_scale": 4.5},
        response_format="b64_json",
    )  # fmt: skip
    assert [image.size for image in pictures(answer)] == [(64, 32)] * 2
    assert answer.quality == "low"


def test_edit_streamed(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        model="echo", image=PHOTO, prompt=PROMPT, stream=True, partial_images=1
    )
    assert [strict(event).type for event in stream] == [
        "image_edit.partial_image", "image_edit.completed"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_edit_as_json(gateway: RunningGateway, kind: str) -> None:
    photo = png(Image.new("RGB", (40, 24), "white"), kind.upper())
    answer = post(
        gateway, "edits",
        json={"model": "echo", "prompt": PROMPT,
              "images": [{"image_url": uri(photo, kind)}],
              "mask": {"image_url": uri(NOISE_KEPT)}, "response_format": "b64_json"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert decoded(base64.b64decode(answer.json()["data"][0]["b64_json"])).size == (40, 24)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"images": [{"file_id": "file-1"}]}, "images[0].file_id"),
        ({"images": [{"image_url": "data:image/png;base64,!!"}]}, "images[0].image_url"),
        ({"images": [{"image_url": "data:text/plain,hello"}]}, "images[0].image_url"),
        ({"images": [{"image_url": "http://127.0.0.1:1/x.png"}]}, "images[0].image_url"),
        ({"images": [{"image_url": "file:///etc/passwd"}]}, "images[0].image_url"),
        ({"images": ["/etc/passwd"]}, "images[0]"),
        ({"images": []}, "images"),
        ({}, "images"),
        ({"images": [{"image_url": uri(PHOTO)}], "mask": {"file_id": "x"}}, "mask.file_id"),
        ({"images": [{"image_url": uri(PHOTO)}], "mask": "/etc/passwd"}, "mask"),
        ({"images": [{"image_url": uri(PHOTO)}], "n": "2"}, "n"),
    ],
)
def test_wrong_edit_as_json_is_a_400(
    gateway: RunningGateway, fields: dict[str, Any], param: str
) -> None:
    answer = post(gateway, "edits", json={"model": "echo", "prompt": PROMPT, **fields})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


BROKEN = PHOTO[: len(PHOTO) // 2]


@pytest.mark.parametrize(
    ("files", "fields", "param"),
    [
        ({"image": b""}, {}, "image"),
        ({"image": b"Example data"}, {}, "image"),
        ({"image": BROKEN}, {}, "image"),
        ({"image": PHOTO, "mask": b"Example data"}, {}, "mask"),
        ({"image": PHOTO, "mask": b""}, {}, "mask"),
        ({"image": PHOTO}, {"prompt": ""}, "prompt"),
        ({"image": PHOTO}, {"n": "many"}, "n"),
        ({"image": PHOTO}, {"strength": "2"}, "strength"),
        ({"image": PHOTO}, {"mask": "/etc/passwd"}, "mask"),
        ({"other": PHOTO}, {"image": "/etc/passwd"}, "other"),
        ({"image": PHOTO}, {"images": "/etc/passwd"}, "images"),
    ],
)
def test_wrong_form_is_a_400_that_names_the_part(
    gateway: RunningGateway, files: dict[str, bytes], fields: dict[str, str], param: str
) -> None:
    answer = post(gateway, "edits", files=files, data={"model": "echo", "prompt": "x", **fields})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("path", ["edits", "variations"])
def test_no_form_is_a_400(gateway: RunningGateway, path: str) -> None:
    assert post(gateway, path, content=b"hello").status_code == 400
    assert post(gateway, path, files={"image": PHOTO}, data={"n": "0"}).status_code == 400


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_variation(client: openai.OpenAI) -> None:
    answer = client.images.create_variation(
        model="echo", image=PHOTO, n=2, response_format="b64_json", user="me"
    )
    assert [image.size for image in pictures(answer)] == [(40, 24)] * 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_variation_awaited(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.images.create_variation(model="echo", image=PHOTO, size="256x256")
    assert answer.data
    found = httpx2.get(answer.data[0].url or "", timeout=DEADLINE)
    assert decoded(found.content).size == (256, 256)


SLOW = "[[slow=0.2]] red"
STREAMED: list[Callable[[openai.OpenAI], Any]] = [
    lambda client: client.images.generate(
        model="echo", prompt=SLOW, stream=True, partial_images=3, extra_body={"steps": 200}
    ),
    lambda client: client.images.edit(
        model="echo", image=PHOTO, prompt=SLOW, stream=True, partial_images=3,
        extra_body={"steps": "200"},
    ),
]  # fmt: skip


def test_a_timeout_frees_the_worker(gateway: RunningGateway, client: openai.OpenAI) -> None:
    client.images.generate(model="echo", prompt=PROMPT)
    cancelled = gateway.worker_metric("echo", "cancelled_total")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=2).images.generate(
            model="echo", prompt=SLOW, extra_body={"steps": 200}
        )
    eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == cancelled + 1


@pytest.mark.parametrize("start", STREAMED)
def test_leaving_a_stream_frees_the_worker(
    gateway: RunningGateway, client: openai.OpenAI, start: Callable[[openai.OpenAI], Any]
) -> None:
    client.images.generate(model="echo", prompt=PROMPT)
    cancelled = gateway.worker_metric("echo", "cancelled_total")
    with start(client) as stream:
        next(iter(stream))
    eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 0)
    assert gateway.worker_metric("echo", "cancelled_total") == cancelled + 1
