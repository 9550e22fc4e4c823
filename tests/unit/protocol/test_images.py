from __future__ import annotations

from typing import Any

import pytest

from localai.errors import InvalidRequest
from localai.protocol.asgi import parse_form, parse_request
from localai.protocol.images import ImageEditRequest, ImageRequest, ReferringImageEdit
from localai.protocol.wire import asked_parameters


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "0x0"}, "size"),
        ({"size": "99999x64"}, "size"),
        ({"size": "512*512"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"response_format": "png"}, "response_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
        ({"output_compression": 50}, "output_compression"),
        ({"output_format": "png", "output_compression": 0}, "output_compression"),
        ({"background": "clear"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"style": "plain"}, "style"),
        ({"stream": True, "partial_images": 4}, "partial_images"),
        ({"partial_images": 1}, "partial_images"),
        ({"stream": False, "partial_images": 1}, "partial_images"),
        ({"stream": True, "response_format": "url"}, "response_format"),
        ({"seed": -1}, "seed"),
        ({"steps": 0}, "steps"),
        ({"guidance_scale": -1}, "guidance_scale"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_request(ImageRequest, {"prompt": "a circle", **fields})
    assert refused.value.param == param


def test_prompt_is_needed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_request(ImageRequest, {})
    assert (refused.value.param, refused.value.code) == ("prompt", "missing_required_parameter")


def test_what_asks_for_nothing_special_is_taken_by_every_engine() -> None:
    asked = parse_request(
        ImageRequest,
        {
            "prompt": "x", "size": "auto", "quality": "auto", "background": "auto",
            "style": "vivid", "moderation": "low", "user": "me", "n": 3, "output_format": "png",
            "output_compression": 100, "stream": True, "partial_images": 0, "negative_prompt": "",
        },
    )  # fmt: skip
    assert asked_parameters(asked) == {}


def test_form_fields_are_numbers_in_words() -> None:
    fields = {
        "prompt": "x", "n": "2", "seed": "7", "strength": "0.5", "stream": "true",
        "partial_images": "1", "images": ["/a"],
    }  # fmt: skip
    asked = parse_form(ImageEditRequest, fields)
    assert (asked.n, asked.seed, asked.strength, asked.partial_images) == (2, 7, 0.5, 1)
    assert asked.stream is True


@pytest.mark.parametrize(
    ("images", "param"),
    [
        ([], "images"),
        ([{"image_url": "x"}] * 17, "images"),
        ([{}], "images[0]"),
        ([{"image_url": "x", "file_id": "y"}], "images[0]"),
        (["data:image/png;base64,"], "images[0]"),
    ],
)
def test_references_are_checked(images: list[Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_request(ReferringImageEdit, {"prompt": "x", "images": images})
    assert refused.value.param == param


@pytest.mark.parametrize(("size", "sides"), [("512x384", (512, 384)), ("auto", None), (None, None)])
def test_size_is_read_as_width_and_height(size: str | None, sides: tuple[int, int] | None) -> None:
    assert ImageRequest(prompt="x", size=size).width_and_height() == sides
