"""Models with transformers in the place of a U-Net: other latents, other prompts, other sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from backends.diffusers.painting import Watcher
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from tests.unit.diffusers.conftest import Model
from tests.unit.diffusers.tiny import save_flux, save_stable_diffusion_3

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
_SAVE = {"flux": save_flux, "sd3": save_stable_diffusion_3}


@pytest.fixture(scope="module", params=sorted(_SAVE))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = _SAVE[request.param](tmp_path_factory.mktemp("tiny") / request.param)
    return Model(folder, steps=4, size="64x64")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.effect_noise((70, 50), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask.png"
    image = Image.new("RGBA", (70, 50), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 30, 50))
    image.save(path)
    return path


def painted(
    model: Model, asked: ImageRequest | ImageEditRequest | ImageVariationRequest
) -> tuple[Image.Image, list[Image.Image]]:
    """Return the picture and its previews."""
    previews: list[Image.Image] = []
    watcher = Watcher(lambda done, total: None, lambda image, number: previews.append(image))
    return model.painter.paint(model.desk.read(asked)[0], watcher), previews


def test_picture_and_its_previews_have_the_asked_size(model: Model) -> None:
    asked = ImageRequest(prompt="x", size="70x50", stream=True, partial_images=2, seed=1)
    image, previews = painted(model, asked)
    assert [one.size for one in (image, *previews)] == [(70, 50)] * 3
    assert ImageChops.difference(previews[0], previews[1]).getbbox() is not None


def test_seed_and_prompt_decide_the_picture(model: Model) -> None:
    images = [
        painted(model, ImageRequest(prompt=prompt, seed=seed))[0]
        for prompt, seed in (("red", 1), ("red", 1), ("red", 2), ("blue", 1))
    ]
    changed = [ImageChops.difference(images[0], other).getbbox() for other in images[1:]]
    assert changed[0] is None
    assert None not in changed[1:]


def test_edit_and_variation_keep_the_size(model: Model, photo: Path) -> None:
    for asked in (
        ImageEditRequest(prompt="x", images=[str(photo)], strength=0.5),
        ImageVariationRequest(image=str(photo)),
    ):
        assert painted(model, asked)[0].size == (70, 50)


def test_mask_protects_the_rest(model: Model, photo: Path, mask: Path) -> None:
    asked = ImageEditRequest(prompt="x", images=[str(photo)], mask=str(mask))
    image, _ = painted(model, asked)
    change = ImageChops.difference(image, Image.open(photo)).getbbox()
    assert change is not None
    assert change[2] <= 30


def test_prompt_beyond_what_it_reads_is_refused(model: Model) -> None:
    model.prompts.check("red " * 40, "prompt")
    with pytest.raises(InvalidRequest, match="shorten it") as refused:
        model.prompts.check("red " * 400, "prompt")
    assert refused.value.code == "context_length_exceeded"


def test_negative_prompt_is_refused_where_the_model_has_no_guidance_of_that_kind(
    tmp_path: Path,
) -> None:
    flux = Model(save_flux(tmp_path / "flux"), steps=1, size="64x64")
    with pytest.raises(UnsupportedParameter) as refused:
        flux.desk.read(ImageRequest(prompt="x", negative_prompt="y"))
    assert refused.value.param == "negative_prompt"
