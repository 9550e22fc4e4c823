"""Draws one order with its pipeline, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, ImageChops

from backends.diffusers.guidance import draws_away
from backends.diffusers.orders import Order
from backends.diffusers.pipelines import Pipelines, parameters
from backends.diffusers.previews import Previewer
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
        self._previewer = Previewer()

    def paint(self, order: Order, watcher: Watcher) -> Image.Image:
        """Return the finished picture in the answer's size.

        Raises what the engine raises, memory errors too, and Interrupted as soon as the watcher
        does; `recover` has to be called then.
        """
        if order.strength == 0:
            return order.sources[0].image
        pipeline = self._pipelines.get(order.task)
        self._pipelines.place(pipeline)
        with torch.inference_mode():
            asked = self._arguments(pipeline, order, watcher)
            image = pipeline(**asked).images[0]
        return _finished(order, image)

    def recover(self) -> None:
        """Make the model ready for the next picture after one that was not finished.

        To be called when the exception is gone: until then it holds the memory of its frames.
        """
        self._pipelines.recover()

    def _arguments(self, pipeline: Any, order: Order, watcher: Watcher) -> dict[str, Any]:
        known = parameters(pipeline)
        width, height = order.canvas.drawn
        wanted: dict[str, Any] = {
            "width": width,
            "height": height,
            "num_inference_steps": order.steps,
            "generator": torch.Generator("cpu").manual_seed(order.seed),
            "output_type": "pil",
            "callback_on_step_end": _Callback(order, watcher, self._previewer),
            "guidance_scale": order.guidance,
            "strength": order.strength,
            **_pictures(order),
        }
        wanted = {
            name: value for name, value in wanted.items() if name in known and value is not None
        }
        is_guided = draws_away(pipeline, order.guidance)
        return wanted | self._prompts.arguments(
            pipeline, order.prompt, order.negative_prompt, is_guided
        )


def _pictures(order: Order) -> dict[str, Any]:
    if not order.sources:
        return {}
    images = [order.canvas.prepare(source.image) for source in order.sources]
    pictures: dict[str, Any] = {"image": images if len(images) > 1 else images[0]}
    if order.task == "inpaint":
        mask = order.sources[0].changeable or Image.new("L", order.canvas.answered, 255)
        pictures["mask_image"] = order.canvas.prepare(mask)
    return pictures


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

    def __init__(self, order: Order, watcher: Watcher, previewer: Previewer) -> None:
        self._order = order
        self._watcher = watcher
        self._previewer = previewer
        self._shown = 0

    def __call__(
        self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        total = int(getattr(pipeline, "num_timesteps", 0)) or self._order.steps
        done = step + 1
        self._watcher.on_step(done, total)
        if done in self._preview_steps(total):
            self._show(pipeline, tensors["latents"])
        return {}

    def _show(self, pipeline: Any, latents: torch.Tensor) -> None:
        image = self._previewer.preview(pipeline, latents, self._order.canvas.drawn)
        if image is not None:
            self._watcher.on_preview(_finished(self._order, image), self._shown)
            self._shown += 1

    def _preview_steps(self, total: int) -> set[int]:
        """Return after which steps a preview is due: evenly between the start and the end."""
        wanted = self._order.previews
        return {total * number // (wanted + 1) for number in range(1, wanted + 1)} - {0, total}
