"""One model's pipelines for its three tasks; they share all weights."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any, Literal

import torch
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
)

from backends.diffusers.options import Options
from backends.diffusers.schedulers import most_steps
from localai.errors import InvalidRequest

Task = Literal["draw", "edit", "inpaint"]
_KINDS = {
    "draw": AutoPipelineForText2Image,
    "edit": AutoPipelineForImage2Image,
    "inpaint": AutoPipelineForInpainting,
}
_DOES: dict[Task, str] = {
    "draw": "draw from a prompt alone",
    "edit": "start from a picture",
    "inpaint": "change only a part of a picture",
}
_COMPOSING = ("Flux2", "QwenImageEditPlus")
"""Families whose pipelines look at several pictures at once."""
_FILLING = ("FluxFill",)
"""Families without a U-Net that were trained to fill masks, and for nothing else."""


class Pipelines:
    """Gives the pipeline of a task, made at its first use."""

    def __init__(self, loaded: Any, options: Options, device: str) -> None:
        self.loaded = loaded
        self._options = options
        self._device = device
        self._made: dict[Task, Any] = {}
        self._placed: Any = None
        self._vae_dtype = getattr(getattr(loaded, "vae", None), "dtype", None)

    def get(self, task: Task) -> Any:
        """Return the pipeline for `task`; raises InvalidRequest where the model has none."""
        if task not in self._made:
            self._made[task] = self._make(task)
        return self._made[task]

    def place(self, pipeline: Any) -> None:
        """Arrange for the parts of `pipeline` to be moved to the device when they are needed."""
        if self._options.offload == "none" or self._placed is pipeline:
            return
        if self._options.offload == "model":
            pipeline.enable_model_cpu_offload(device=self._device)
        else:
            pipeline.enable_sequential_cpu_offload(device=self._device)
        self._placed = pipeline

    def recover(self) -> None:
        """Undo what a picture left behind that was not finished.

        Only a pipeline that ends normally takes its parts off the GPU again, and brings the
        autoencoder back to its type.
        """
        if self._placed is not None:
            self._placed.maybe_free_model_hooks()
            self._placed = None
        if self._vae_dtype is not None and self.loaded.vae.dtype != self._vae_dtype:
            with torch.inference_mode():
                self.loaded.vae.to(dtype=self._vae_dtype)

    @property
    def most_steps(self) -> int | None:
        """How many steps a picture may have, None for as many as one likes."""
        return most_steps(self.loaded.scheduler)

    @property
    def only_fills(self) -> bool:
        """Whether the model was trained to fill masks, and for nothing else."""
        unet, vae = (getattr(self.loaded, part, None) for part in ("unet", "vae"))
        if unet is None or vae is None:
            return type(self.loaded).__name__.startswith(_FILLING)
        # It looks at the mask and at what the mask leaves of the picture, beside the latents.
        return bool(unet.config.in_channels == 2 * vae.config.latent_channels + 1)

    @property
    def composes(self) -> bool:
        """Whether several pictures together make one edited one."""
        return type(self.loaded).__name__.startswith(_COMPOSING)

    @property
    def factor(self) -> int:
        """How many pixels one place of the latents is wide."""
        return int(getattr(self.loaded, "vae_scale_factor", 8))

    @property
    def multiple(self) -> int:
        """What both sides of a drawn picture are multiples of, in pixels."""
        processor = getattr(self.loaded, "image_processor", None)
        own = int(processor.config.vae_scale_factor) if processor is not None else self.factor
        # Transformers look at the latents in patches of two by two.
        patches = 1 if hasattr(self.loaded, "unet") else 2
        return math.lcm(8, own, self.factor * patches)

    @property
    def native_size(self) -> tuple[int, int]:
        """The size that the model was trained for, width first, in pixels."""
        sample = self._sample_size()
        height, width = sample if isinstance(sample, list | tuple) else (sample, sample)
        return int(width) * self.factor, int(height) * self.factor

    def _sample_size(self) -> Any:
        own = getattr(self.loaded, "default_sample_size", None)
        if own is None and (unet := getattr(self.loaded, "unet", None)) is not None:
            own = unet.config.sample_size
        return own or 64

    def _make(self, task: Task) -> Any:
        try:
            # A scheduler of its own, because some pipelines change the settings of theirs.
            own = copy.deepcopy(self.loaded.scheduler)
            made = _KINDS[task].from_pipe(self.loaded, scheduler=own)
        except ValueError:
            if _task_of(self.loaded) != task:
                raise self._cannot(task) from None
            made = self.loaded
        made.set_progress_bar_config(disable=True)
        return made

    def _cannot(self, task: Task) -> InvalidRequest:
        name = type(self.loaded).__name__
        return InvalidRequest(
            f"This model's {name} cannot {_DOES[task]}: choose another model.", param="model"
        )


def _task_of(pipeline: Any) -> Task:
    takes = parameters(pipeline)
    if "mask_image" in takes:
        return "inpaint"
    return "edit" if "image" in takes else "draw"


def parameters(pipeline: Any) -> dict[str, inspect.Parameter]:
    """Return what a call of `pipeline` takes."""
    return dict(inspect.signature(type(pipeline).__call__).parameters)


def default_of(pipeline: Any, name: str) -> Any:
    """Return the default of a parameter of `pipeline`, None where there is none."""
    found = parameters(pipeline).get(name)
    return None if found is None or found.default is inspect.Parameter.empty else found.default
