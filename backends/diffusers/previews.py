"""Shows what a pipeline has in the middle of a picture."""

from __future__ import annotations

import logging
from typing import Any

import torch
from PIL import Image

from backends.diffusers.canvas import Size
from backends.diffusers.memory import is_out_of_memory

log = logging.getLogger(__name__)


class Previewer:
    """Turns latents into previews, where it knows how the model's pipeline keeps them."""

    def __init__(self) -> None:
        self._has_told = False

    def preview(self, pipeline: Any, latents: torch.Tensor, drawn: Size) -> Image.Image | None:
        """Return what is to be seen of a picture of the size `drawn`, None where nothing can be.

        Raises memory errors alone: for want of a preview no picture should fail.
        """
        try:
            return _decoded(pipeline, latents, drawn)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._tell(pipeline, error)
            return None

    def _tell(self, pipeline: Any, error: Exception) -> None:
        if not self._has_told:
            name = type(pipeline).__name__
            log.warning("%s gives no previews: %s: %s", name, type(error).__name__, error)
        self._has_told = True


def _decoded(pipeline: Any, latents: torch.Tensor, drawn: Size) -> Image.Image:
    vae = pipeline.vae
    if latents.ndim == 3:  # FLUX keeps its latents as rows of patches
        width, height = drawn
        latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    latents = latents[:1] / vae.config.scaling_factor + shift
    own = vae.dtype
    if _overflows(pipeline):
        vae.to(dtype=torch.float32)
    try:
        decoded = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    finally:
        if vae.dtype != own:
            vae.to(dtype=own)
    image: Image.Image = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
    return image


def _overflows(pipeline: Any) -> bool:
    """Tell whether the autoencoder has to decode in float32, as the pipeline does at the end."""
    vae = pipeline.vae
    wants_more = hasattr(pipeline, "upcast_vae") and getattr(vae.config, "force_upcast", False)
    return bool(wants_more) and vae.dtype == torch.float16
