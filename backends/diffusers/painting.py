"""Draws one order with its pipeline, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, ImageChops

from backends.diffusers.orders import Order
from backends.diffusers.pipelines import Pipelines, default_of, parameters
from backends.diffusers.prompts import PromptReader


class Interrupted(Exception):
    """Nobody waits for the picture any more."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who wants to know how far a picture is; `on_step` may raise Interrupted."""

    on_step: Callable[[int, int], None]
    """Called with the step that is done, from 1, and how many there are."""
    on_preview: Callable[[Image.Image, int], None]


class Painter:
    """Draws pictures with the pipelines of one model."""

    def __init__(self, pipelines: Pipelines, prompts: PromptReader) -> None:
        self._pipelines = pipelines
        self._prompts = prompts

    def paint(self, order: Order, watcher: Watcher) -> Image.Image:
        """Return the finished picture in the answer's size.

        Raises what the engine raises, memory errors too, and Interrupted as soon as the watcher
        does.
        """
        if order.strength == 0:
            return order.sources[0].image
        pipeline = self._pipelines.get(order.task)
        self._pipelines.place(pipeline)
        asked = self._arguments(pipeline, order, watcher)
        with torch.inference_mode():
            image = pipeline(**asked).images[0]
        return _finished(order, image)

    def _arguments(self, pipeline: Any, order: Order, watcher: Watcher) -> dict[str, Any]:
        known = parameters(pipeline)
        guidance = order.guidance
        if guidance is None:
            guidance = default_of(pipeline, "guidance_scale") or 0.0
        width, height = order.canvas.drawn
        wanted: dict[str, Any] = {
            "width": width,
            "height": height,
            "num_inference_steps": order.steps,
            "generator": torch.Generator("cpu").manual_seed(order.seed),
            "output_type": "pil",
            "callback_on_step_end": _Callback(order, watcher),
            "guidance_scale": order.guidance,
            "strength": order.strength,
            **_pictures(order),
        }
        wanted = {
            name: value for name, value in wanted.items() if name in known and value is not None
        }
        return wanted | self._prompts.arguments(
            pipeline, order.prompt, order.negative_prompt, guidance
        )


def _pictures(order: Order) -> dict[str, Any]:
    if not order.sources:
        return {}
    images = [order.canvas.prepare(source.image) for source in order.sources]
    mask = order.sources[0].changeable
    return {
        "image": images if len(images) > 1 else images[0],
        "mask_image": None if mask is None else order.canvas.prepare(mask),
    }


def _finished(order: Order, image: Image.Image) -> Image.Image:
    if not order.sources:
        return order.canvas.finish(image)
    edited = order.canvas.finish_edit(image.convert("RGB"))
    source = order.sources[0]
    if source.changeable is None:
        return edited
    # The engine changes a little everywhere; what was not to change is put back as it was.
    return Image.composite(source.image, edited, ImageChops.invert(source.changeable))


class _Callback:
    """What a pipeline calls after each step: `callback_on_step_end` of diffusers."""

    def __init__(self, order: Order, watcher: Watcher) -> None:
        self._order = order
        self._watcher = watcher
        self._shown = 0

    def __call__(
        self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        total = int(getattr(pipeline, "num_timesteps", 0)) or self._order.steps
        done = step + 1
        self._watcher.on_step(done, total)
        if done in self._preview_steps(total):
            self._watcher.on_preview(self._preview(pipeline, tensors["latents"]), self._shown)
            self._shown += 1
        return {}

    def _preview_steps(self, total: int) -> set[int]:
        """Return after which steps a preview is due: evenly between the start and the end."""
        wanted = self._order.previews
        return {total * number // (wanted + 1) for number in range(1, wanted + 1)} - {0, total}

    def _preview(self, pipeline: Any, latents: torch.Tensor) -> Image.Image:
        if latents.ndim == 3:  # FLUX keeps its latents as rows of patches
            width, height = self._order.canvas.drawn
            latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
        settings = pipeline.vae.config
        shift = getattr(settings, "shift_factor", None) or 0.0
        scaled = (latents[:1] / settings.scaling_factor + shift).to(pipeline.vae.dtype)
        decoded = pipeline.vae.decode(scaled, return_dict=False)[0]
        image: Image.Image = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
        return _finished(self._order, image)
