"""What has no effect is refused, with advice that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import UnsupportedParameter
from localai.protocol.images import ImageRequest
from tests.unit.diffusers.conftest import Model
from tests.unit.diffusers.tiny import save_flux, save_latent_consistency


def test_scale_is_refused_where_the_model_was_not_trained_for_one(tmp_path: Path) -> None:
    folder = save_flux(tmp_path / "schnell")
    asked = ImageRequest(prompt="x", guidance_scale=7)
    with pytest.raises(UnsupportedParameter, match="leave 'guidance_scale' out") as refused:
        Model(folder).desk.read(asked)
    assert refused.value.param == "guidance_scale"
    assert Model(folder, lenient=True).desk.read(asked)[0].guidance is None


def test_scale_counts_where_it_was_trained_for_one(tmp_path: Path) -> None:
    model = Model(save_flux(tmp_path / "dev", guidance_embeds=True))
    assert model.desk.read(ImageRequest(prompt="x", guidance_scale=7))[0].guidance == 7


def test_advice_is_not_to_raise_what_does_not_help(tmp_path: Path) -> None:
    model = Model(save_flux(tmp_path / "dev", guidance_embeds=True))
    with pytest.raises(UnsupportedParameter) as refused:
        model.desk.read(ImageRequest(prompt="x", negative_prompt="dark"))
    assert refused.value.param == "negative_prompt"
    assert "raise" not in refused.value.message


def test_negative_prompt_is_refused_where_the_denoiser_reads_the_scale(tmp_path: Path) -> None:
    folder = save_latent_consistency(tmp_path / "lcm")
    asked = ImageRequest(prompt="x", negative_prompt="dark", guidance_scale=8)
    with pytest.raises(UnsupportedParameter) as refused:
        Model(folder).desk.read(asked)
    assert refused.value.param == "negative_prompt"
    assert "raise" not in refused.value.message
    (order,) = Model(folder, lenient=True).desk.read(asked)
    assert (order.negative_prompt, order.guidance) == (None, 8)
