from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from localai.errors import InvalidRequest
from localai.worker import picture_decoding
from localai.worker.picture_decoding import read_picture


def written(folder: Path, image: Image.Image, kind: str, **options: object) -> Path:
    path = folder / "picture"
    image.save(path, kind, **options)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_kind_is_told_by_the_bytes(tmp_path: Path, kind: str) -> None:
    image = read_picture(written(tmp_path, Image.new("RGB", (20, 10), "red"), kind), param="image")
    assert (image.mode, image.size) == ("RGB", (20, 10))
    red, green, _ = image.getpixel((5, 5))  # type: ignore[misc]
    assert red > 240
    assert green < 15


@pytest.mark.parametrize(
    ("mode", "seen"), [("P", "RGB"), ("L", "RGB"), ("LA", "RGBA"), ("1", "RGB")]
)
def test_every_mode_becomes_one_of_two(tmp_path: Path, mode: str, seen: str) -> None:
    image = read_picture(written(tmp_path, Image.new(mode, (4, 4)), "PNG"), param="image")
    assert image.mode == seen


def test_transparent_colour_of_a_palette_counts_as_alpha(tmp_path: Path) -> None:
    path = written(tmp_path, Image.new("P", (4, 4)), "PNG", transparency=0)
    image = read_picture(path, param="image")
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 0)


def sixteen_bits(folder: Path, *values: int, **options: object) -> Path:
    image = Image.frombytes("I;16", (len(values), 1), struct.pack(f"<{len(values)}H", *values))
    return written(folder, image, "PNG", **options)


def test_greys_in_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    path = sixteen_bits(tmp_path, 0, 257, 100 * 257, 65535)
    image = read_picture(path, param="image")
    assert image.mode == "RGB"
    assert list(image.getchannel(0).tobytes()) == [0, 1, 100, 255]


def test_transparent_grey_in_sixteen_bits_counts_as_alpha(tmp_path: Path) -> None:
    path = with_chunk(sixteen_bits(tmp_path, 0, 100 * 257), b"tRNS", struct.pack(">H", 100 * 257))
    image = read_picture(path, param="image")
    assert list(image.get_flattened_data()) == [(0, 0, 0, 255), (100, 100, 100, 0)]


@pytest.mark.parametrize(
    "entry",
    [
        (0x0112, 3, 1, 6 << 16, 0x010F, 5, 1, 0),  # the maker's name as a fraction by zero
        (0x0112, 3, 1, 6 << 16, 0x011A, 2, 4, 0x41424344),  # a fraction as letters
        (0x0112, 3, 1, 6 << 16, 0x0100, 2, 4, 0x41424344),  # a number as letters
    ],
)
def test_broken_exif_is_refused(tmp_path: Path, entry: tuple[int, ...]) -> None:
    exif = b"MM\0*" + struct.pack(">IH", 8, 2) + struct.pack(">HHIIHHII", *entry) + b"\0" * 4
    path = with_chunk(written(tmp_path, Image.new("RGB", (4, 4)), "PNG"), b"eXIf", exif)
    with pytest.raises(InvalidRequest, match="'image' is a broken picture") as refused:
        read_picture(path, param="image")
    assert refused.value.param == "image"


def test_picture_is_turned_as_the_camera_noted(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "red")
    image.paste("blue", (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise by a quarter
    upright = read_picture(written(tmp_path, image, "PNG", exif=exif), param="image")
    assert upright.size == (10, 20)
    assert upright.getpixel((5, 2)) == (0, 0, 255)
    assert upright.getpixel((5, 17)) == (255, 0, 0)


@pytest.mark.parametrize(
    "content", [b"", b"Example data", b"GIF89a" + b"\0" * 20, b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match="'mask'") as refused:
        read_picture(path, param="mask")
    assert refused.value.param == "mask"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_half_a_picture_is_refused(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, Image.effect_noise((90, 90), 50).convert("RGB"), kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidRequest, match="broken"):
        read_picture(path, param="image")


def test_damaged_picture_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, Image.new("RGB", (90, 90), "red"), "PNG")
    content = bytearray(path.read_bytes())
    content[60:80] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match="broken"):
        read_picture(path, param="image")


def test_small_file_of_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(huge_png(60_000, 60_000))
    assert path.stat().st_size < 1000
    with pytest.raises(InvalidRequest, match=r"too large|more than"):
        read_picture(path, param="image")


def test_limit_is_our_own_and_says_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_decoding, "MOST_PIXELS", 1_000_000)
    path = written(tmp_path, Image.new("L", (1001, 1000)), "PNG")
    with pytest.raises(InvalidRequest, match=r"1001x1000 pixels, more than 1 million"):
        read_picture(path, param="image")


def with_chunk(path: Path, name: bytes, data: bytes) -> Path:
    """Put one more chunk behind the head of a PNG."""
    content, end = path.read_bytes(), 8 + 25
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(content[:end] + chunk + content[end:])
    return path


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG whose head promises far more than its body has."""
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        file.write(struct.pack(">I", len(data)) + name + data)
        file.write(struct.pack(">I", zlib.crc32(name + data)))
    return file.getvalue()
