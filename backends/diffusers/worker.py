"""The backend as the worker host sees it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

import diffusers
import torch

from backends.diffusers.loading import choose_device, choose_dtype, load_pipeline
from backends.diffusers.options import Options
from backends.diffusers.orders import Asked, Order, OrderDesk
from backends.diffusers.painting import Painter
from backends.diffusers.pipelines import Pipelines
from backends.diffusers.prompts import PromptReader
from backends.diffusers.studio import Studio
from localai.errors import LoadFailed
from localai.protocol.capabilities import Capability
from localai.protocol.events import Usage
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.worker.backend import Backend
from localai.worker.results import Picture, Step

_COMMON = frozenset({"size", "seed", "steps"})
_DESCRIBED = _COMMON | {"quality", "negative_prompt", "guidance_scale"}


class Diffusers(Backend):
    """Diffusion models that make pictures."""

    honours: ClassVar[dict[Capability, frozenset[str]]] = {
        Capability.IMAGE: _DESCRIBED,
        Capability.IMAGE_EDIT: _DESCRIBED | {"strength"},
        Capability.IMAGE_VARIATION: _COMMON | {"strength"},
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._options = Options.parse(spec.options)

    async def load(self) -> WorkerInfo:
        """Load the model and open the studio."""
        if self.spec.model is None:
            raise LoadFailed(
                "The card names no model: set `model` to a folder or a .safetensors file."
            )
        for library in ("diffusers", "transformers"):
            logging.getLogger(library).setLevel(logging.ERROR)
        await asyncio.to_thread(self._load, self.spec.model)
        return WorkerInfo(
            name=self.spec.name,
            backend="diffusers",
            capabilities=list(self.honours),
            max_concurrent=1,
            footprint=self._footprint(),
            build={"diffusers": diffusers.__version__, "torch": torch.__version__},
        )

    async def unload(self) -> None:
        """End what is being drawn."""
        await asyncio.to_thread(self._studio.close)

    async def draw(
        self, request: ImageRequest | ImageEditRequest | ImageVariationRequest
    ) -> AsyncGenerator[Step | Picture | Usage, None]:
        """Draw `n` pictures, each with the next seed, one after the other."""
        orders = await asyncio.to_thread(self._read, request)
        tokens = await asyncio.to_thread(self._prompts.count, orders[0].prompt)
        seen = sum(self._places(order) for order in orders if order.sources)
        made = 0
        async with aclosing(self._studio.draw(orders)) as events:
            async for event in events:
                if isinstance(event, Picture) and event.partial is None:
                    order, is_first = orders[event.index], event.index == 0
                    event = dataclasses.replace(
                        event,
                        text_tokens=tokens if is_first else 0,
                        image_tokens=self._places(order) if order.sources else 0,
                        output_tokens=self._places(order),
                    )
                    made += event.output_tokens
                yield event
        yield Usage(tokens + seen, made)

    def metrics(self) -> dict[str, float]:
        """Return what is drawn and what was."""
        figures = self._studio.figures
        return {
            "drawings_running": figures.running,
            "pictures_total": figures.pictures,
            "steps_total": figures.steps,
            "cancelled_total": figures.cancelled,
        }

    def _load(self, path: Path) -> None:
        self._device = choose_device(self._options.device)
        if self._options.offload != "none" and self._device == "cpu":
            raise LoadFailed(
                f"offload: {self._options.offload} moves parts of the model to a GPU and back, but "
                "there is none here: leave it out."
            )
        dtype = choose_dtype(self._options.dtype, self._device)
        loaded = load_pipeline(path, self._options, self._device, dtype)
        self._pipelines = Pipelines(loaded, self._options, self._device)
        self._prompts = PromptReader(loaded)
        self._desk = OrderDesk(self._pipelines, self._options, lenient=self.spec.lenient)
        self._studio = Studio(Painter(self._pipelines, self._prompts))

    def _read(self, request: Asked) -> list[Order]:
        orders = self._desk.read(request)
        if not self.spec.lenient:
            self._prompts.check(orders[0].prompt, "prompt")
            self._prompts.check(orders[0].negative_prompt or "", "negative_prompt")
        return orders

    def _places(self, order: Order) -> int:
        """Return how many places the latents of a picture have, which count as its tokens."""
        width, height = order.canvas.drawn
        factor = self._pipelines.factor
        return (width // factor) * (height // factor)

    def _footprint(self) -> dict[str, int]:
        host = {"host": _resident_bytes()}
        if self._device != "cuda":
            return host
        return host | {"device": torch.cuda.memory_allocated()}


def _resident_bytes() -> int:
    """Return the memory that this process holds, 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
