from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops

from localai.worker.picture_encoding import PictureFormat, encode_picture


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.fixture
def picture() -> Image.Image:
    image = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    image.paste((200, 30, 40), (8, 8, 24, 24))
    return image


def test_png_keeps_every_pixel(picture: Image.Image) -> None:
    image = decoded(encode_picture(picture, "png"))
    assert (image.format, image.size) == ("PNG", (48, 32))
    assert ImageChops.difference(image, picture).getbbox() is None


@pytest.mark.parametrize(("kind", "name"), [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_lossy_kinds_are_close_at_full_quality(
    picture: Image.Image, kind: PictureFormat, name: str
) -> None:
    image = decoded(encode_picture(picture, kind, 100))
    assert (image.format, image.size) == (name, (48, 32))
    red, green, blue = image.convert("RGB").getpixel((16, 16))  # type: ignore[misc]
    assert abs(red - 200) < 12
    assert abs(green - 30) < 12
    assert abs(blue - 40) < 12


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_less_quality_makes_smaller_files(picture: Image.Image, kind: PictureFormat) -> None:
    sizes = [len(encode_picture(picture, kind, quality)) for quality in (0, 50, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_transparency_lasts(kind: PictureFormat) -> None:
    image = decoded(encode_picture(Image.new("RGBA", (8, 8), (0, 0, 255, 0)), kind))
    assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_transparency_becomes_white_in_a_jpeg() -> None:
    image = decoded(encode_picture(Image.new("RGBA", (8, 8), (0, 0, 255, 0)), "jpeg"))
    assert image.getpixel((4, 4)) == (255, 255, 255)
