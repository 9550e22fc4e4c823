"""From a request to orders: each names one picture to draw, with every choice made."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from backends.diffusers.canvas import Canvas, Size, canvas_for
from backends.diffusers.guidance import draws_away, heeds_negative_prompt, heeds_scale
from backends.diffusers.options import Options, Quality
from backends.diffusers.pipelines import Pipelines, Task, default_of, parameters
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.picture_decoding import on_white, read_picture

Asked = ImageRequest | ImageEditRequest | ImageVariationRequest
_QUALITIES: dict[str, Quality] = {
    "low": "low", "medium": "medium", "standard": "medium", "high": "high", "hd": "high",
}  # fmt: skip
_FACTORS: dict[Quality, float] = {"low": 0.5, "medium": 1, "high": 2}
_SEEDS = 2**32
_TOO_LITTLE = (
    "A negative prompt has no effect here, because the model draws without guidance: leave "
    "'negative_prompt' out, or raise 'guidance_scale' above 1."
)
_NO_NEGATIVE = (
    "This model was not trained to draw away from a negative prompt: leave 'negative_prompt' out."
)


@dataclass(frozen=True, slots=True)
class Source:
    """A caller's picture, and where it may change (white); both of the answer's size."""

    image: Image.Image
    changeable: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to draw."""

    index: int
    task: Task
    prompt: str
    negative_prompt: str | None
    seed: int
    steps: int
    guidance: float | None
    canvas: Canvas
    previews: int = 0
    sources: tuple[Source, ...] = ()
    strength: float | None = None


class OrderDesk:
    """Reads requests for one model."""

    def __init__(self, pipelines: Pipelines, options: Options, *, lenient: bool) -> None:
        self._pipelines = pipelines
        self._options = options
        self._lenient = lenient

    def read(self, asked: Asked) -> list[Order]:
        """Return the orders for a request, in the order of its answer.

        Several pictures of an edit are edited one after the other, unless the model's pipeline
        looks at them together. Raises InvalidRequest for pictures that cannot be used, for sizes
        beyond `max_pixels`, and for what the model was not made for.
        """
        self._check_kind(asked)
        seed = secrets.randbelow(_SEEDS) if asked.seed is None else asked.seed
        orders: list[Order] = []
        for sources, canvas in self._subjects(asked):
            for number in range(asked.n or 1):
                orders.append(self._order(asked, len(orders), seed + number, sources, canvas))
        return orders

    def _order(
        self, asked: Asked, index: int, seed: int, sources: tuple[Source, ...], canvas: Canvas
    ) -> Order:
        task = self._task(sources)
        described = None if isinstance(asked, ImageVariationRequest) else asked
        strength = self._strength(asked, task, sources)
        steps = self._steps(asked, task)
        if strength:
            # At least one step has to be left of them, or nothing would be drawn.
            strength = min(1.0, max(strength, 1 / steps + 1e-6))
        guidance = self._guidance(asked, task)
        return Order(
            index=index,
            task=task,
            prompt=described.prompt if described else "",
            negative_prompt=self._negative_prompt(asked, task, guidance),
            seed=seed,
            steps=steps,
            guidance=guidance,
            canvas=canvas,
            previews=(described.partial_images or 0) if described else 0,
            sources=sources,
            strength=strength,
        )

    def _subjects(self, asked: Asked) -> Iterator[tuple[tuple[Source, ...], Canvas]]:
        if isinstance(asked, ImageRequest):
            size = asked.width_and_height() or self._options.default_size()
            yield (), self._canvas(size or self._pipelines.native_size)
            return
        sources = list(self._sources(asked))
        if self._pipelines.composes and len(sources) > 1:
            yield tuple(source for source, _ in sources), sources[0][1]
            return
        for source, canvas in sources:
            yield (source,), canvas

    def _sources(
        self, asked: ImageEditRequest | ImageVariationRequest
    ) -> Iterator[tuple[Source, Canvas]]:
        paths = asked.images if isinstance(asked, ImageEditRequest) else [asked.image]
        mask_path = asked.mask if isinstance(asked, ImageEditRequest) else None
        for number, path in enumerate(paths):
            image = read_picture(Path(path), param="image")
            # A mask is for the first picture; the others have their own transparency at most.
            mask = _read_mask(mask_path, image) if mask_path and number == 0 else None
            plain = on_white(image)
            if mask is None and isinstance(asked, ImageEditRequest):
                # What its own transparency hides is drawn anew, so that nobody sees its colour.
                mask, plain = _own_mask(image), image.convert("RGB")
            canvas = self._canvas(asked.width_and_height() or image.size)
            changeable = None if mask is None else canvas.source(mask)
            yield Source(canvas.source(plain), changeable), canvas

    def _canvas(self, size: Size) -> Canvas:
        native = self._pipelines.native_size if self._options.render_size == "native" else None
        canvas = canvas_for(size, self._pipelines.multiple, native)
        # A picture one pixel wide is drawn many times as wide; a native one is as large as ever.
        for width, height in (size, size if canvas.is_native else canvas.drawn):
            if width * height > self._options.max_pixels:
                raise InvalidRequest(
                    f"{width}x{height} has more pixels than the {self._options.max_pixels} that "
                    "this model may draw: ask for a smaller 'size', or raise `options.max_pixels` "
                    "in the card.",
                    param="size",
                )
        return canvas

    def _task(self, sources: tuple[Source, ...]) -> Task:
        if not sources:
            return "draw"
        is_whole = sources[0].changeable is None and not self._pipelines.only_fills
        return "edit" if is_whole else "inpaint"

    def _check_kind(self, asked: Asked) -> None:
        if self._pipelines.only_fills and not isinstance(asked, ImageEditRequest):
            raise InvalidRequest(
                "This model was trained to fill masks, so that it only edits pictures, best with a "
                "'mask': choose another model. `capabilities: [image_edit]` in its card tells this "
                "to callers.",
                param="model",
            )

    def _steps(self, asked: Asked, task: Task) -> int:
        steps, most = self._wanted_steps(asked, task), self._pipelines.most_steps
        if most is not None and steps > most:
            raise InvalidRequest(
                f"This model's scheduler does at most {most} steps, but {steps} are wanted: ask "
                "for fewer 'steps', or set fewer in the card.",
                param="steps",
            )
        return steps

    def _wanted_steps(self, asked: Asked, task: Task) -> int:
        if asked.steps is not None:
            return asked.steps
        own = default_of(self._pipelines.get(task), "num_inference_steps") or 50
        usual = self._options.steps or int(own)
        quality = getattr(asked, "quality", None) or "auto"
        if quality == "auto":
            return usual
        name = _QUALITIES[quality]
        derived = max(1, round(usual * _FACTORS[name]))
        derived = min(derived, self._pipelines.most_steps or derived)
        return self._options.quality_steps.get(name) or derived

    def _strength(self, asked: Asked, task: Task, sources: tuple[Source, ...]) -> float | None:
        """Return how far to go from the source; None leaves it to the pipeline."""
        if task == "draw" or isinstance(asked, ImageRequest):
            return None
        takes_it = "strength" in parameters(self._pipelines.get(task))
        if asked.strength is not None and not takes_it and not self._lenient:
            raise UnsupportedParameter(
                "This model decides itself how far it goes from a picture: leave 'strength' out.",
                param="strength",
            )
        if not takes_it:
            return None
        if asked.strength is not None:
            return asked.strength
        if sources[0].changeable is not None:
            # Nothing of what a mask hides is to shine through.
            return 1.0
        if isinstance(asked, ImageVariationRequest):
            return self._options.variation_strength
        return self._options.strength

    def _negative_prompt(self, asked: Asked, task: Task, guidance: float | None) -> str | None:
        wanted = None if isinstance(asked, ImageVariationRequest) else asked.negative_prompt
        pipeline = self._pipelines.get(task)
        counts = draws_away(pipeline, guidance)
        if wanted and not counts and not self._lenient:
            why = _TOO_LITTLE if heeds_negative_prompt(pipeline) else _NO_NEGATIVE
            raise UnsupportedParameter(why, param="negative_prompt")
        return (wanted or self._options.negative_prompt) if counts else None

    def _guidance(self, asked: Asked, task: Task) -> float | None:
        """Return how closely to follow the prompt; None leaves it to the pipeline."""
        wanted = None if isinstance(asked, ImageVariationRequest) else asked.guidance_scale
        counts = heeds_scale(self._pipelines.get(task))
        if wanted is not None and not counts and not self._lenient:
            raise UnsupportedParameter(
                "This model was not trained to follow a scale: leave 'guidance_scale' out.",
                param="guidance_scale",
            )
        if not counts:
            return None
        return self._options.guidance_scale if wanted is None else wanted


def _read_mask(path: str, image: Image.Image) -> Image.Image:
    mask = read_picture(Path(path), param="mask")
    if mask.size != image.size:
        raise InvalidRequest(
            f"'mask' is {mask.width}x{mask.height}, but the picture is "
            f"{image.width}x{image.height}: make both the same size.",
            param="mask",
        )
    changeable = _own_mask(mask)
    if changeable is None:
        raise InvalidRequest(
            "'mask' has no transparent pixels: make it transparent where the picture may change.",
            param="mask",
        )
    return changeable


def _own_mask(image: Image.Image) -> Image.Image | None:
    """Return where a picture is transparent as white, None for an opaque one."""
    if image.mode != "RGBA":
        return None
    alpha = image.getchannel("A")
    lowest, _ = alpha.getextrema()
    return None if lowest == 255 else alpha.point(lambda value: 255 - value)
