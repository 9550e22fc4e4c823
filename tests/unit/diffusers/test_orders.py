from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from backends.diffusers.orders import Order
from backends.diffusers.schedulers import most_steps, scheduler_for
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from tests.unit.diffusers.conftest import Model


def drawn(model: Model, **fields: Any) -> list[Order]:
    return model.desk.read(ImageRequest(prompt="a circle", **fields))


def edited(model: Model, *images: Path, **fields: Any) -> list[Order]:
    paths = [str(image) for image in images]
    return model.desk.read(ImageEditRequest(prompt="red", images=paths, **fields))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (50, 30), "blue").save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Transparent, which is where to change, in the left half."""
    path = tmp_path / "mask.png"
    image = Image.new("RGBA", (50, 30), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 25, 30))
    image.save(path)
    return path


def test_each_picture_has_the_next_seed(sd: Model) -> None:
    orders = drawn(sd, n=3, seed=7)
    assert [(order.index, order.seed) for order in orders] == [(0, 7), (1, 8), (2, 9)]


def test_seeds_differ_where_nobody_names_one(sd: Model) -> None:
    assert drawn(sd)[0].seed != drawn(sd)[0].seed


def test_size_is_the_models_own_unless_asked_or_set(sd: Model, sd_folder: Path) -> None:
    assert drawn(sd)[0].canvas.answered == (64, 64)
    assert drawn(sd, size="auto")[0].canvas.answered == (64, 64)
    assert drawn(sd, size="50x20")[0].canvas.answered == (50, 20)
    assert drawn(Model(sd_folder, size="96x80"))[0].canvas.answered == (96, 80)


def test_native_models_draw_small_and_answer_large(sd_folder: Path) -> None:
    native = Model(sd_folder, render_size="native")
    canvas = drawn(native, size="512x512")[0].canvas
    assert (canvas.drawn, canvas.answered) == ((64, 64), (512, 512))


def test_too_many_pixels_are_refused(sd_folder: Path) -> None:
    small = Model(sd_folder, max_pixels=104 * 104)
    assert drawn(small, size="100x100")
    with pytest.raises(InvalidRequest, match=r"109x100 has more pixels than the 10816") as refused:
        drawn(small, size="109x100")
    assert refused.value.param == "size"


def test_thin_picture_counts_as_wide_as_it_is_drawn(sd_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "thin.png"
    Image.new("RGB", (1, 9000)).save(path)
    model = Model(sd_folder, max_pixels=10_000)
    with pytest.raises(InvalidRequest, match=r"8x9000 has more pixels than the 10000"):
        edited(model, path)
    assert edited(Model(sd_folder, max_pixels=10_000, render_size="native"), path)


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({}, 10), ({"quality": "auto"}, 10), ({"quality": "low"}, 5), ({"quality": "medium"}, 10),
        ({"quality": "standard"}, 10), ({"quality": "high"}, 20), ({"quality": "hd"}, 20),
        ({"quality": "hd", "steps": 3}, 3),
    ],
)  # fmt: skip
def test_quality_decides_the_steps(sd_folder: Path, fields: dict[str, Any], steps: int) -> None:
    assert drawn(Model(sd_folder, steps=10), **fields)[0].steps == steps


def test_card_decides_the_steps_of_a_quality(sd_folder: Path) -> None:
    model = Model(sd_folder, steps=10, quality_steps={"high": 13})
    assert [drawn(model, quality=q)[0].steps for q in ("low", "medium", "hd")] == [5, 10, 13]


def test_pipeline_decides_what_neither_does(sd_folder: Path) -> None:
    order = drawn(Model(sd_folder))[0]
    assert (order.steps, order.guidance, order.negative_prompt) == (50, None, None)


def test_caller_comes_before_the_card(sd_folder: Path) -> None:
    model = Model(sd_folder, guidance_scale=3, negative_prompt="blurry")
    assert (drawn(model)[0].guidance, drawn(model)[0].negative_prompt) == (3, "blurry")
    order = drawn(model, guidance_scale=5, negative_prompt="dark")[0]
    assert (order.guidance, order.negative_prompt) == (5, "dark")


def test_negative_prompt_without_guidance_is_refused(sd: Model, sd_folder: Path) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        drawn(sd, negative_prompt="dark", guidance_scale=1)
    assert refused.value.param == "negative_prompt"
    lenient = Model(sd_folder, lenient=True)
    assert drawn(lenient, negative_prompt="dark", guidance_scale=1)[0].negative_prompt is None


def test_edit_has_the_size_of_its_picture(sd: Model, photo: Path) -> None:
    order = edited(sd, photo)[0]
    assert (order.task, order.canvas.answered, order.canvas.drawn) == ("edit", (50, 30), (56, 32))
    assert order.sources[0].image.size == (50, 30)
    assert order.strength == 0.75
    assert edited(sd, photo, size="64x64", strength=0.5)[0].strength == 0.5


def test_mask_says_where_to_change(sd: Model, photo: Path, mask: Path) -> None:
    order = edited(sd, photo, mask=str(mask))[0]
    changeable = order.sources[0].changeable
    assert order.task == "inpaint"
    assert changeable is not None
    assert (changeable.getpixel((5, 5)), changeable.getpixel((40, 5))) == (255, 0)


def test_transparency_of_the_picture_is_its_mask(sd: Model, mask: Path) -> None:
    order = edited(sd, mask)[0]
    assert order.task == "inpaint"


def test_every_picture_is_edited_in_turn_and_the_mask_is_for_the_first(
    sd: Model, photo: Path, mask: Path
) -> None:
    orders = edited(sd, photo, photo, mask=str(mask), n=2, seed=5)
    assert [order.task for order in orders] == ["inpaint", "inpaint", "edit", "edit"]
    assert [order.index for order in orders] == [0, 1, 2, 3]
    assert [order.seed for order in orders] == [5, 6, 5, 6]


def test_mask_of_another_size_is_refused(sd: Model, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.new("RGBA", (10, 10)).save(path)
    with pytest.raises(InvalidRequest, match="'mask' is 10x10, but the picture is 50x30"):
        edited(sd, photo, mask=str(path))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_mask_that_allows_no_change_is_refused(
    sd: Model, photo: Path, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "opaque.png"
    Image.new("RGB", (50, 30), "white").convert(mode).save(path)
    with pytest.raises(InvalidRequest, match="no transparent pixels") as refused:
        edited(sd, photo, mask=str(path))
    assert refused.value.param == "mask"


@pytest.mark.parametrize(("strength", "kept"), [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_strength_is_kept(sd: Model, photo: Path, strength: float, kept: float) -> None:
    assert edited(sd, photo, strength=strength, steps=10)[0].strength == kept


def test_at_least_one_step_is_left_of_a_weak_edit(sd: Model, photo: Path) -> None:
    order = edited(sd, photo, strength=0.01, steps=49)[0]
    assert order.strength is not None
    assert int(order.strength * order.steps) == 1


def test_one_step_is_the_whole_way(sd: Model, photo: Path) -> None:
    assert edited(sd, photo, steps=1)[0].strength == 1.0
    assert sd.desk.read(ImageVariationRequest(image=str(photo), steps=1))[0].strength == 1.0


def test_nothing_shines_through_a_mask_unless_asked(sd: Model, photo: Path, mask: Path) -> None:
    assert edited(sd, photo, mask=str(mask))[0].strength == 1.0
    assert edited(sd, photo, mask=str(mask), strength=0.5)[0].strength == 0.5


@pytest.mark.parametrize("scheduler", ["lcm", "tcd"])
def test_more_steps_than_the_scheduler_does_are_refused(sd_folder: Path, scheduler: str) -> None:
    model = Model(sd_folder, scheduler=scheduler, steps=30)
    assert drawn(model, steps=50)[0].steps == 50
    assert drawn(model, quality="hd")[0].steps == 50
    with pytest.raises(InvalidRequest, match="at most 50 steps, but 60") as refused:
        drawn(model, steps=60)
    assert refused.value.param == "steps"


def test_other_schedulers_made_from_one_with_a_limit_have_none(sd: Model) -> None:
    limited = scheduler_for(sd.loaded, "lcm")
    assert most_steps(limited) == 50
    assert most_steps(scheduler_for(SimpleNamespace(scheduler=limited), "ddim")) is None


def test_variation_has_a_strength_of_its_own(sd: Model, photo: Path) -> None:
    order = sd.desk.read(ImageVariationRequest(image=str(photo), n=2))[1]
    assert (order.task, order.prompt, order.strength, order.index) == ("edit", "", 0.6, 1)


def test_transparency_of_a_variation_is_no_mask(sd: Model, mask: Path) -> None:
    assert sd.desk.read(ImageVariationRequest(image=str(mask)))[0].task == "edit"


def test_hidden_colour_of_a_variation_becomes_white(sd: Model, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(path)
    (order,) = sd.desk.read(ImageVariationRequest(image=str(path)))
    assert order.sources[0].image.getpixel((16, 16)) == (255, 255, 255)


def test_hidden_colour_under_a_mask_of_its_own_becomes_white(sd: Model, tmp_path: Path) -> None:
    picture, mask = tmp_path / "logo.png", tmp_path / "mask.png"
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(picture)
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(mask)
    (order,) = edited(sd, picture, mask=str(mask))
    assert order.sources[0].image.getpixel((16, 16)) == (255, 255, 255)


def test_broken_picture_is_refused(sd: Model, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"Example data")
    with pytest.raises(InvalidRequest) as refused:
        edited(sd, path)
    assert refused.value.param == "image"
