"""Real pipelines of random weights: what they draw is noise, but the same noise for one seed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops

from backends.diffusers.orders import Asked
from backends.diffusers.painting import Painter, Watcher
from backends.diffusers.studio import Studio
from localai.errors import LocalAIError, OutOfMemory
from localai.protocol.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from localai.worker.results import Picture, Step
from tests.gateways import DEADLINE, until
from tests.unit.diffusers.conftest import Model

# The Euler scheduler of diffusers hands tensors to numpy in a way that numpy means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def painted(model: Model, asked: Asked) -> list[Image.Image]:
    quiet = Watcher(lambda done, total: None, lambda image, number: None)
    return [model.painter.paint(order, quiet) for order in model.desk.read(asked)]


def is_same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


@pytest.fixture(params=["sd", "xl"])
def model(request: pytest.FixtureRequest) -> Model:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Model)
    return found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    image = Image.effect_noise((60, 44), 90).convert("RGB")
    image.paste((10, 200, 30), (10, 10, 30, 30))
    image.save(path)
    return path


def test_same_seed_gives_the_same_picture(model: Model) -> None:
    first, again, other = (
        painted(model, ImageRequest(prompt="a red circle", seed=seed))[0] for seed in (5, 5, 6)
    )
    assert first.size == (64, 64)
    assert is_same(first, again)
    assert not is_same(first, other)


def test_second_picture_is_that_of_the_next_seed(model: Model) -> None:
    two = painted(model, ImageRequest(prompt="a red circle", seed=5, n=2))
    (next_one,) = painted(model, ImageRequest(prompt="a red circle", seed=6))
    assert is_same(two[1], next_one)


@pytest.mark.parametrize("size", ["64x64", "40x72", "50x31", "129x65"])
def test_picture_has_exactly_the_asked_size(model: Model, size: str) -> None:
    (image,) = painted(model, ImageRequest(prompt="x", size=size, steps=1))
    assert f"{image.width}x{image.height}" == size


def test_every_parameter_changes_the_picture(model: Model) -> None:
    plain: dict[str, Any] = {"prompt": "a red circle", "seed": 5}
    (usual,) = painted(model, ImageRequest(**plain))
    for change in (
        {"steps": 2},
        {"guidance_scale": 2.0},
        {"negative_prompt": "blue"},
        {"quality": "hd"},
    ):
        (changed,) = painted(model, ImageRequest(**plain, **change))
        assert not is_same(usual, changed), change


def test_words_beyond_the_window_count(model: Model) -> None:
    beginning = "a b c d e f g h i j k l m n"
    pictures = [
        painted(model, ImageRequest(prompt=prompt, seed=5))[0]
        for prompt in (beginning, f"{beginning} o p", f"{beginning} q r")
    ]
    assert not is_same(pictures[1], pictures[0])
    assert not is_same(pictures[1], pictures[2])


def test_negative_words_beyond_the_window_count(model: Model) -> None:
    long = "a b c d e f g h i j k l m n o p"
    pictures = [
        painted(model, ImageRequest(prompt="x", negative_prompt=negative, seed=5))[0]
        for negative in (long, f"{long} q")
    ]
    assert not is_same(*pictures)


def test_weak_edit_stays_close_and_strength_zero_changes_nothing(model: Model, photo: Path) -> None:
    source = Image.open(photo)

    def edited(strength: float) -> Image.Image:
        asked = ImageEditRequest(
            prompt="x", images=[str(photo)], strength=strength, seed=5, steps=8
        )
        return painted(model, asked)[0]

    assert is_same(edited(0.0), source)
    assert edited(0.5).size == source.size
    assert not is_same(edited(0.3), edited(1.0))


def test_what_the_mask_protects_stays_to_the_pixel(model: Model, photo: Path, mask: Path) -> None:
    source = Image.open(photo)
    asked = ImageEditRequest(prompt="x", images=[str(photo)], mask=str(mask), seed=5)
    (image,) = painted(model, asked)
    protected, changed = (25, 0, 60, 44), (0, 0, 25, 44)
    assert is_same(image.crop(protected), source.crop(protected))
    assert not is_same(image.crop(changed), source.crop(changed))


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path, image = tmp_path / "mask.png", Image.new("RGBA", (60, 44), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 25, 44))
    image.save(path)
    return path


def test_one_step_makes_every_kind_of_picture(model: Model, photo: Path, mask: Path) -> None:
    images = [str(photo)]
    for asked in (
        ImageEditRequest(prompt="x", images=images, steps=1),
        ImageEditRequest(prompt="x", images=images, steps=1, mask=str(mask)),
        ImageVariationRequest(image=str(photo), steps=1),
    ):
        assert painted(model, asked)[0].size == (60, 44)


def test_masked_edit_changes_no_later_picture(sd_folder: Path, photo: Path, mask: Path) -> None:
    for scheduler in ("pndm", "ddim"):
        model = Model(sd_folder, scheduler=scheduler, steps=6)
        before, _, _, after = (
            painted(model, asked)[0]
            for asked in (
                ImageRequest(prompt="x", seed=5),
                ImageEditRequest(prompt="x", images=[str(photo)], mask=str(mask)),
                ImageEditRequest(prompt="x", images=[str(photo)]),
                ImageRequest(prompt="x", seed=5),
            )
        )
        assert is_same(before, after)


def test_long_prompts_are_encoded_without_gradients(sd_folder: Path) -> None:
    model, seen = Model(sd_folder, steps=1), []
    encoder = model.loaded.text_encoder
    encoder.register_forward_pre_hook(lambda *_: seen.append(torch.is_inference_mode_enabled()))
    painted(model, ImageRequest(prompt="word " * 20))
    assert len(seen) > 2
    assert all(seen)


def test_variations_differ_from_each_other(model: Model, photo: Path) -> None:
    one, other = painted(model, ImageVariationRequest(image=str(photo), n=2, seed=5))
    assert one.size == other.size == (60, 44)
    assert not is_same(one, other)


async def collected(studio: Studio, model: Model, asked: Asked) -> list[Step | Picture]:
    async with aclosing(studio.draw(model.desk.read(asked))) as events:
        return [event async for event in events]


async def test_steps_are_counted_over_all_pictures(model: Model) -> None:
    with model.studio() as studio:
        events = await collected(studio, model, ImageRequest(prompt="x", n=2, steps=3))
    steps = [event.done for event in events if isinstance(event, Step)]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in events if isinstance(event, Step)} == {6}
    assert [event.index for event in events if isinstance(event, Picture)] == [0, 1]
    assert (studio.figures.pictures, studio.figures.steps, studio.figures.running) == (2, 6, 0)


async def test_previews_come_evenly_before_the_picture(model: Model) -> None:
    asked = ImageRequest(prompt="x", steps=8, stream=True, partial_images=3, size="50x31", seed=1)
    with model.studio() as studio:
        events = await collected(studio, model, asked)
    seen = [e.done if isinstance(e, Step) else e.partial for e in events]
    assert seen == [1, 2, 0, 3, 4, 1, 5, 6, 2, 7, 8, None]
    previews = [event.image for event in events if isinstance(event, Picture)]
    assert {image.size for image in previews} == {(50, 31)}
    assert not is_same(previews[0], previews[1])


async def test_steps_of_an_edit_are_those_that_are_done(model: Model, photo: Path) -> None:
    asked = ImageEditRequest(prompt="x", images=[str(photo)], steps=8, strength=0.5)
    with model.studio() as studio:
        events = await collected(studio, model, asked)
    assert [event.total for event in events if isinstance(event, Step)] == [4] * 4


async def test_caller_who_leaves_stops_the_engine_within_a_step(sd: Model) -> None:
    with sd.studio() as studio:
        async with aclosing(
            studio.draw(sd.desk.read(ImageRequest(prompt="x", steps=200, n=10)))
        ) as events:
            await anext(events)
        after = studio.figures.steps
        await collected(studio, sd, ImageRequest(prompt="x", steps=1))
    assert studio.figures.cancelled == 1
    assert studio.figures.steps <= after + 2  # the one it was in, and that of the other call
    assert studio.figures.running == 0


class Held(Painter):
    """Begins no picture before it may."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.pipelines, model.prompts)
        self.may_begin = threading.Event()

    def paint(self, order: Any, watcher: Watcher) -> Image.Image:
        assert self.may_begin.wait(DEADLINE)
        return super().paint(order, watcher)


async def test_caller_who_leaves_the_queue_is_never_served(sd: Model) -> None:
    painter = Held(sd)
    studio = Studio(painter)
    first = asyncio.create_task(collected(studio, sd, ImageRequest(prompt="x", steps=2)))
    waiting = asyncio.create_task(collected(studio, sd, ImageRequest(prompt="x", steps=20)))
    await until(lambda: len(studio._jobs) == 2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    painter.may_begin.set()
    assert isinstance((await first)[-1], Picture)
    assert await collected(studio, sd, ImageRequest(prompt="x", steps=1))
    studio.close()
    assert (studio.figures.steps, studio.figures.cancelled) == (3, 1)


async def test_closing_ends_what_is_drawn(sd: Model) -> None:
    with sd.studio() as studio:
        events = studio.draw(sd.desk.read(ImageRequest(prompt="x", steps=200, n=10)))
        await anext(events)
    assert studio.figures.running == 0
    assert studio.figures.steps < 2000
    await events.aclose()


class Failing(Painter):
    """Fails once as an engine would, then works."""

    def __init__(self, model: Model, error: BaseException) -> None:
        super().__init__(model.pipelines, model.prompts)
        self._error: BaseException | None = error

    def paint(self, order: Any, watcher: Watcher) -> Image.Image:
        if (error := self._error) is not None:
            self._error = None
            raise error
        return super().paint(order, watcher)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB."),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
)
async def test_lack_of_memory_is_told_and_the_next_call_works(
    sd: Model, error: BaseException
) -> None:
    studio = Studio(Failing(sd, error))
    asked = ImageRequest(prompt="x", steps=1, size="96x64")
    with pytest.raises(OutOfMemory, match=r"96x64.*smaller 'size'") as failed:
        await collected(studio, sd, asked)
    assert failed.value.code == "out_of_memory"
    assert await collected(studio, sd, asked)
    studio.close()


async def test_other_failures_are_passed_on_and_the_next_call_works(sd: Model) -> None:
    studio = Studio(Failing(sd, RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        await collected(studio, sd, ImageRequest(prompt="x", steps=1))
    assert await collected(studio, sd, ImageRequest(prompt="x", steps=1))
    studio.close()


async def test_memory_that_the_machine_really_lacks(sd_folder: Path) -> None:
    # Sliced attention keeps a whole matrix of all places by all places: 256 GiB here.
    model = Model(sd_folder, max_pixels=2**26, attention_slicing=True)
    with model.studio() as studio, pytest.raises(LocalAIError) as failed:
        await collected(studio, model, ImageRequest(prompt="x", steps=1, size="4096x4096"))
    assert failed.value.code == "out_of_memory"


async def test_calls_are_drawn_one_after_the_other(sd: Model) -> None:
    with sd.studio() as studio:
        threads = threading.active_count()
        answers = await asyncio.gather(
            *(collected(studio, sd, ImageRequest(prompt="x", steps=2, seed=9)) for _ in range(4))
        )
        assert threading.active_count() <= threads + 1
    images = [event.image for events in answers for event in events if isinstance(event, Picture)]
    assert len(images) == 4
    assert all(is_same(images[0], image) for image in images)
