from __future__ import annotations

import pytest
from PIL import Image

from backends.diffusers.canvas import Canvas, canvas_for


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((512, 512), (512, 512)),
        ((500, 301), (504, 304)),
        ((1, 1), (8, 8)),
        ((1023, 1025), (1024, 1032)),
    ],
)
def test_drawn_sides_are_the_next_multiples(asked: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert canvas_for(asked, 8, None) == Canvas(drawn, asked)


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((512, 512), (64, 64)),
        ((1024, 1024), (64, 64)),
        ((1536, 1024), (80, 56)),
        ((1024, 1536), (56, 80)),
        ((64, 64), (64, 64)),
        ((16, 4096), (8, 1024)),
    ],
)
def test_native_size_keeps_the_proportions(asked: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert canvas_for(asked, 8, (64, 64)) == Canvas(drawn, asked)


@pytest.mark.parametrize("asked", [(512, 512), (500, 301), (1536, 1024), (17, 33)])
@pytest.mark.parametrize("native", [None, (64, 64)])
def test_answers_have_exactly_the_asked_size(
    asked: tuple[int, int], native: tuple[int, int] | None
) -> None:
    canvas = canvas_for(asked, 8, native)
    drawn = Image.new("RGB", canvas.drawn, "red")
    assert canvas.finish(drawn).size == asked
    assert canvas.finish_edit(drawn).size == asked
    source = canvas.source(Image.new("RGB", (90, 70), "blue"))
    assert source.size == asked
    assert canvas.prepare(source).size == canvas.drawn


def test_edit_keeps_everything_in_its_place() -> None:
    source = Image.new("RGB", (100, 60), "white")
    source.paste("red", (0, 0, 50, 60))
    canvas = canvas_for(source.size, 8, None)
    again = canvas.finish_edit(canvas.prepare(canvas.source(source)))
    assert again.getpixel((45, 30)) == (255, 0, 0)
    assert again.getpixel((55, 30)) == (255, 255, 255)
