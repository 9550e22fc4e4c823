"""What a picture leaves behind that was not finished: the next one is drawn as ever."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from backends.diffusers.painting import Interrupted
from backends.diffusers.studio import Studio
from localai.errors import OutOfMemory
from localai.protocol.images import ImageRequest
from localai.worker.results import Picture
from tests.unit.diffusers.conftest import Model

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore:`upcast_vae`:FutureWarning"
)
ASKED = ImageRequest(prompt="x", steps=1, size="64x64")


def failing_once(work: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """Return `work` with `error` at its first call."""
    errors = [error]

    def attempt(*args: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return work(*args, **options)

    return attempt


async def pictures(studio: Studio, model: Model) -> list[Picture]:
    events = [event async for event in studio.draw(model.desk.read(ASKED))]
    return [event for event in events if isinstance(event, Picture)]


async def test_autoencoder_comes_back_to_its_type(xl_folder: Path) -> None:
    model = Model(xl_folder, weights=torch.float16)
    vae = model.loaded.vae
    vae.decode = failing_once(vae.decode, torch.OutOfMemoryError("CUDA out of memory."))
    with model.studio() as studio:
        with pytest.raises(OutOfMemory):
            await pictures(studio, model)
        assert len(await pictures(studio, model)) == 1
    assert vae.dtype == torch.float16


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("odd"), Interrupted()]
)
async def test_parts_leave_the_gpu_again(sd_folder: Path, error: Exception) -> None:
    model = Model(sd_folder, offload="model")
    unet, vae = model.loaded.unet, model.loaded.vae
    with model.studio() as studio:
        await pictures(studio, model)
        drawing = model.pipelines.get("draw")
        hooks = drawing._all_hooks
        vae.decode = failing_once(vae.decode, error)
        with suppress(OutOfMemory, RuntimeError):
            await pictures(studio, model)
        # diffusers moves all parts away and arranges anew for their way back.
        assert drawing._all_hooks is not hooks
        assert hasattr(unet, "_hf_hook")
        assert model.pipelines._placed is None
        assert len(await pictures(studio, model)) == 1


async def test_failure_holds_no_memory_of_the_engine(sd_folder: Path) -> None:
    model = Model(sd_folder)
    vae = model.loaded.vae
    vae.decode = failing_once(vae.decode, RuntimeError("odd"))
    with model.studio() as studio, pytest.raises(RuntimeError, match="odd") as failed:
        await pictures(studio, model)
    frames = [entry.frame for entry in failed.traceback if entry.name == "__call__"]
    assert frames
    assert all("latents" not in frame.raw.f_locals for frame in frames)


async def test_recovery_that_fails_is_told(sd_folder: Path) -> None:
    model = Model(sd_folder)
    model.loaded.vae.decode = failing_once(model.loaded.vae.decode, RuntimeError("odd"))

    def recover() -> None:
        raise RuntimeError("the GPU is gone")

    model.painter.recover = recover  # type: ignore[method-assign]
    with model.studio() as studio, pytest.raises(RuntimeError, match="the GPU is gone"):
        await pictures(studio, model)
