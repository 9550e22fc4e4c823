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


@pytest.mark.parametrize("asked", [(512, 512), (1536, 1024), (16, 4096), (64, 64)])
def test_native_models_draw_at_their_own_size(asked: tuple[int, int]) -> None:
    assert canvas_for(asked, 8, (64, 64)) == Canvas((64, 64), asked, is_native=True)


def test_what_a_native_picture_lacks_repeats_its_edges() -> None:
    drawn = Image.new("RGB", (64, 64), "white")
    drawn.paste("red", (16, 16, 48, 48))
    wide = canvas_for((300, 200), 8, (64, 64)).finish(drawn)
    assert wide.size == (300, 200)
    assert wide.getpixel((10, 100)) == wide.getpixel((290, 100)) == (255, 255, 255)
    assert wide.getpixel((110, 100)) == wide.getpixel((190, 100)) == (255, 0, 0)
    assert wide.getpixel((90, 100)) == wide.getpixel((210, 100)) == (255, 255, 255)


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


@pytest.mark.parametrize("native", [None, (64, 64)])
def test_edit_keeps_everything_in_its_place(native: tuple[int, int] | None) -> None:
    source = Image.new("RGB", (100, 60), "white")
    source.paste("red", (0, 0, 50, 60))
    canvas = canvas_for(source.size, 8, native)
    again = canvas.finish_edit(canvas.prepare(canvas.source(source)))
    assert again.size == source.size
    assert again.getpixel((40, 30)) == (255, 0, 0)
    assert again.getpixel((60, 30)) == (255, 255, 255)
