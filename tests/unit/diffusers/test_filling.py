"""Models that were trained to fill masks, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from backends.diffusers.painting import Watcher
from localai.errors import InvalidRequest
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from tests.unit.diffusers.conftest import Model
from tests.unit.diffusers.tiny import save_flux_fill, save_stable_diffusion_inpainting

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
_SAVE = {"flux": save_flux_fill, "sd": save_stable_diffusion_inpainting}
_QUIET = Watcher(lambda done, total: None, lambda image, number: None)


@pytest.fixture(scope="module", params=sorted(_SAVE))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = _SAVE[request.param](tmp_path_factory.mktemp("tiny") / request.param)
    return Model(folder, steps=4, size="64x64")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask.png"
    image = Image.new("RGBA", (64, 48), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 30, 48))
    image.save(path)
    return path


def changed(model: Model, photo: Path, **fields: str) -> tuple[int, int, int, int] | None:
    """Return where an edit differs from its picture."""
    asked = ImageEditRequest(prompt="x", images=[str(photo)], seed=1, **fields)  # type: ignore[arg-type]
    image = model.painter.paint(model.desk.read(asked)[0], _QUIET)
    return ImageChops.difference(image, Image.open(photo)).getbbox()


def test_mask_is_filled(model: Model, photo: Path, mask: Path) -> None:
    box = changed(model, photo, mask=str(mask))
    assert box is not None
    assert box[2] <= 30


def test_edit_without_a_mask_may_change_everything(model: Model, photo: Path) -> None:
    assert changed(model, photo) == (0, 0, 64, 48)
    (order,) = model.desk.read(ImageEditRequest(prompt="x", images=[str(photo)]))
    assert (order.task, order.strength) == ("inpaint", 0.75)


def test_everything_else_is_refused(model: Model, photo: Path) -> None:
    for asked in (ImageRequest(prompt="x"), ImageVariationRequest(image=str(photo))):
        with pytest.raises(InvalidRequest, match="only edits pictures, best with a 'mask'"):
            model.desk.read(asked)
