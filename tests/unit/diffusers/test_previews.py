"""Previews are extras: where there can be none, the picture comes all the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from backends.diffusers.painting import Watcher
from localai.protocol.images import ImageRequest
from tests.unit.diffusers.conftest import Model
from tests.unit.diffusers.tiny import save_flux

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
ASKED = ImageRequest(prompt="x", steps=4, size="64x64", stream=True, partial_images=3, seed=1)


def painted(model: Model) -> list[Image.Image]:
    """Return the previews of a picture."""
    previews: list[Image.Image] = []
    watcher = Watcher(lambda done, total: None, lambda image, number: previews.append(image))
    assert model.painter.paint(model.desk.read(ASKED)[0], watcher).size == (64, 64)
    return previews


def test_latents_of_an_unknown_kind_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(save_flux(tmp_path / "flux"))
    pipeline = model.pipelines.get("draw")
    own, calls = pipeline._unpack_latents, []

    def unpack(*args: Any) -> Any:
        calls.append(args)
        if len(calls) <= 3:
            raise AttributeError("no such latents")
        return own(*args)

    monkeypatch.setattr(pipeline, "_unpack_latents", unpack)
    with caplog.at_level(logging.WARNING):
        assert painted(model) == []
    told = [record for record in caplog.records if "gives no previews" in record.message]
    assert len(told) == 1
    assert "AttributeError: no such latents" in told[0].message


def test_lack_of_memory_for_a_preview_is_no_secret(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(sd_folder)

    def decode(*args: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(model.loaded.vae, "decode", decode)
    with pytest.raises(torch.OutOfMemoryError):
        painted(model)


@pytest.mark.parametrize(("name", "exact"), [("xl_folder", torch.float32), ("sd_folder", None)])
def test_previews_are_decoded_like_the_picture(
    request: pytest.FixtureRequest, name: str, exact: torch.dtype | None
) -> None:
    # SDXL's autoencoder overflows in float16, and what overflows is black.
    model = Model(request.getfixturevalue(name), weights=torch.float16)
    vae, seen = model.loaded.vae, []
    own = vae.decode

    def decode(latents: torch.Tensor, **options: Any) -> Any:
        seen.append((latents.dtype, vae.dtype))
        return own(latents, **options)

    vae.decode = decode
    assert len(painted(model)) == 3
    kind = exact or torch.float16
    assert seen == [(kind, kind)] * 4
    assert vae.dtype == torch.float16
