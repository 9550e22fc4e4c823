"""What the measurement asks: held-out scenes in many files, sizes and words."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chat.dialogue import Turn
from pictures.drawing import draw
from pictures.scene import Scene
from PIL import Image

from .engine import parts
from .first_look import some_scene
from .fitting import worn
from .questions import NO_IMAGE, Questions, description
from .sketch import Canvas, sketch
from .talks import MEDIA, both

OPENAI = "What's in this image?"
SYSTEM = "You are a helpful assistant."
HELD_OUT: dict[str, tuple[str, ...]] = {
    "describe": (
        "What can be seen in this picture?",
        "Tell me about this image.",
        "What does it show?",
        "Give me a description of the picture.",
        "What is there in the image?",
        "Say what you see.",
    ),
    "colour": ("Tell me the color.", "What is its colour?"),
    "shape": ("Tell me the shape.", "What is the shape?"),
    "count": ("Give me the number of shapes.", "How many shapes can you count?"),
    "ground": ("What colour is behind it?", "Is there a background colour?"),
}


@dataclass(frozen=True)
class Case:
    """Messages with media markers, the pictures for them, and the one right reply."""

    messages: list[dict[str, Any]]
    images: list[Image.Image]
    right: str
    about: str = field(default="")


def message(role: str, asked: str) -> dict[str, Any]:
    """Return a message; with a marker its content is a list of parts."""
    return {"role": role, "content": parts(asked) if MEDIA in asked else asked}


def shown(image: Image.Image, turn: Turn, place: int = 0, system: str = "") -> Case:
    """Return the question of a turn beside a picture: before it for an odd place."""
    asked = turn.question + MEDIA if place % 2 else MEDIA + turn.question
    before = [message("system", system)] if system else []
    return Case([*before, message("user", asked)], [image], turn.reply, turn.question)


class Cases:
    """Makes cases by seed, all of scenes that no training shows."""

    def __init__(self, seed: int, count: int) -> None:
        self._random = Random(seed)
        self._questions = Questions(self._random)
        self._count = count

    def _scenes(self) -> Iterator[tuple[int, Scene]]:
        for place in range(self._count):
            yield place, some_scene(self._random, held_out=True)

    def squares(self, side: int, tilt: float = 0.0) -> Iterator[Case]:
        """Yield the open question of OpenAI's example beside square pictures."""
        for place, scene in self._scenes():
            image = draw(scene, side, self._random, tilt)
            yield shown(image, Turn(OPENAI, description(scene)), place)

    def files(self, change: Callable[[Image.Image], Image.Image]) -> Iterator[Case]:
        """Yield open questions beside pictures of 224 px that went through a file."""
        for place, scene in self._scenes():
            image = change(draw(scene, 224, self._random))
            yield shown(image, Turn(OPENAI, description(scene)), place)

    def see_through(self) -> Iterator[Case]:
        """Yield open questions beside RGBA pictures with nothing but the shapes in them."""
        for place in range(self._count):
            scene = some_scene(self._random, held_out=True)
            while scene.background != "white":
                scene = some_scene(self._random, held_out=True)
            drawn = sketch(scene, Canvas(224, 224), self._random, hard=0.5)
            drawn.image.putalpha(drawn.mask)
            yield shown(drawn.image, Turn(OPENAI, description(scene)), place)

    def greys(self) -> Iterator[Case]:
        """Yield open questions beside pictures with one channel, in black, white and grey."""
        for place, scene in self._scenes():
            colour, ground = ("black", "white") if place % 2 else ("white", "black")
            plain = Scene(scene.count, colour, scene.shape, ground)
            image = draw(plain, 224, self._random).convert("L")
            yield shown(image, Turn(OPENAI, description(plain)), place)

    def canvases(self, width: int, height: int, hard: float = 0.5) -> Iterator[Case]:
        """Yield open questions beside pictures of some width and height.

        With hard = 0.5 shapes are as large as in squares; 1.0 has smaller and turned ones, too.
        """
        for place, scene in self._scenes():
            image = sketch(scene, Canvas(width, height), self._random, hard).image
            yield shown(image, Turn(OPENAI, description(scene)), place)

    def worn_out(self) -> Iterator[Case]:
        """Yield open questions beside blurred, noisy, small and packed pictures."""
        for place, scene in self._scenes():
            image = worn(draw(scene, 128, self._random, 10.0), self._random)
            yield shown(image, Turn(OPENAI, description(scene)), place)

    def asked(self, kind: str, system: str = "") -> Iterator[Case]:
        """Yield questions of a kind in the words of the training."""
        for place, scene in self._scenes():
            image = draw(scene, 224, self._random)
            yield shown(image, self._questions.ask(kind, scene), place, system)

    def held_out(self, kind: str) -> Iterator[Case]:
        """Yield questions of a kind in words that the training does not use."""
        for place, scene in self._scenes():
            reply = self._questions.ask(kind, scene).reply
            asked = HELD_OUT[kind][place % len(HELD_OUT[kind])]
            yield shown(draw(scene, 224, self._random), Turn(asked, reply), place)

    def second_turn(self) -> Iterator[Case]:
        """Yield a further question about the picture of the first turn."""
        for place, scene in self._scenes():
            first = shown(draw(scene, 224, self._random), self._questions.some(scene), place)
            turn = self._questions.some(scene)
            said = [message("assistant", first.right), message("user", turn.question)]
            yield Case([*first.messages, *said], first.images, turn.reply, turn.question)

    def another_picture(self) -> Iterator[Case]:
        """Yield a question about a second picture in a second turn."""
        for place, scene in self._scenes():
            other = some_scene(self._random, held_out=True)
            first = shown(draw(scene, 224, self._random), self._questions.some(scene), place)
            then = shown(draw(other, 224, self._random), self._questions.some(other), place)
            said = [message("assistant", first.right), *then.messages]
            images = [*first.images, *then.images]
            yield Case([*first.messages, *said], images, then.right, then.about)

    def two_pictures(self) -> Iterator[Case]:
        """Yield questions about two pictures in one message."""
        for place, scene in self._scenes():
            scenes = (scene, some_scene(self._random, held_out=True))
            images = [draw(item, 224, self._random) for item in scenes]
            asked = "What is in these images?"
            marked = asked + MEDIA * 2 if place % 2 else MEDIA * 2 + asked
            yield Case([message("user", marked)], images, both(scenes), asked)

    def blind(self) -> Iterator[Case]:
        """Yield questions about a picture that is not there."""
        for asked in ("what is in this image?", OPENAI, "Describe the picture."):
            yield Case([message("user", asked)], [], NO_IMAGE, asked)
        for _ in range(self._count // 4):
            asked = self._questions.open(named=True)
            yield Case([message("user", asked)], [], NO_IMAGE, asked)


def saved(kind: str, **options: int) -> Callable[[Image.Image], Image.Image]:
    """Return what writes a picture as a file of some kind and reads it again."""

    def through(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return Image.open(file)

    return through
