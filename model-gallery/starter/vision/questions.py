"""Questions about pictures and their answers."""

from random import Random

from chat.dialogue import Turn
from pictures.phrasing import caption
from pictures.scene import COLOURS, SHAPES, Scene

NUMBERS = {1: "One", 2: "Two", 3: "Three"}
NO_IMAGE = "There is no image."
THINGS = ("image", "image", "image", "picture", "picture", "photo", "drawing")

DESCRIBE = (
    "What is in this {thing}?",
    "What's in this {thing}?",
    "What is in the {thing}?",
    "Describe the {thing}.",
    "Describe this {thing}.",
    "Describe the {thing}",
    "What do you see?",
    "What do you see in this {thing}?",
    "What do you see in the {thing}?",
    "What does this {thing} show?",
    "What does the {thing} show?",
    "What can you see?",
    "What can you see in this {thing}?",
    "What is shown in this {thing}?",
    "What is on this {thing}?",
    "What is this {thing} of?",
    "What are the contents of this {thing}?",
    "Tell me what is in this {thing}.",
    "Tell me what you see.",
    "Please describe this {thing}.",
    "Can you describe this {thing}?",
    "Describe what you see.",
    "Describe the {thing} in one sentence.",
    "Describe this {thing} in detail.",
    "Explain this {thing}.",
    "Caption this {thing}.",
    "Write a caption for this {thing}.",
    "What's this?",
    "What is this?",
    "What is it?",
    "What is that?",
    "Look at this {thing}. What is it?",
    "What is in this {thing}? Answer in one sentence.",
)
COLOUR = (
    "What {colour} is {it}?",
    "What {colour} {is} the {noun}?",
    "Which {colour} {is} the {noun}?",
    "What {colour} {is} the {noun} in this {thing}?",
    "What is the {colour} of the {noun}?",
    "What {colour} {is} the {shape}?",
    "What {colour} {is} the {shape}?",
    "Tell me the {colour} of the {noun}.",
    "Which {colour} do you see?",
    "What {colour} do you see?",
    "What {colour}?",
)
SHAPE = (
    "What shape is {it}?",
    "What shape is this?",
    "What shape do you see?",
    "Which shape is {it}?",
    "Which shape is in the {thing}?",
    "What shape is in this {thing}?",
    "What shape is shown?",
    "What shape {is} the {colour_name} {object}?",
    "What kind of shape is {it}?",
    "Name the shape.",
    "What shape?",
)
COUNT = (
    "How many {plural} are there?",
    "How many {plural} are in this {thing}?",
    "How many {plural} do you see?",
    "How many {plural} can you see?",
    "How many {colour_name} {plural} are there?",
    "How many shapes are there?",
    "How many shapes do you see?",
    "How many shapes are in the {thing}?",
    "How many objects are there?",
    "How many things are in this {thing}?",
    "Count the {plural}.",
    "Count the shapes.",
    "How many are there?",
    "How many?",
)
GROUND = (
    "What is the background?",
    "What {colour} is the background?",
    "What is the {colour} of the background?",
    "What is the background {colour}?",
    "Which {colour} is the background?",
    "What is behind the {noun}?",
    "What is in the background?",
    "And the background?",
    "What about the background?",
    "Describe the background.",
    "Tell me the background {colour}.",
)
CLOSED = (
    "{Is} {this} {thing_named}?",
    "{Is} {it} {thing_named}?",
    "Do you see {thing_named}?",
    "Is there {thing_named}?",
    "Does the {thing} show {thing_named}?",
)
CHANCES = {"describe": 38, "colour": 15, "shape": 10, "count": 18, "ground": 10, "closed": 9}


def sentence(text: str) -> str:
    """Return a caption as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def description(scene: Scene) -> str:
    """Return the answer to an open question."""
    return sentence(caption(scene))


def plural(shape: str) -> str:
    """Return the name of several shapes of a kind."""
    return f"{shape}es" if shape == "cross" else f"{shape}s"


def noun(scene: Scene) -> str:
    """Return the name of the shapes of a scene."""
    return scene.shape if scene.count == 1 else plural(scene.shape)


def subject(scene: Scene) -> str:
    """Return the caption without the background and without a number."""
    if scene.count == 1:
        return caption(Scene(1, scene.colour, scene.shape))
    return f"{scene.colour} {plural(scene.shape)}"


class Questions:
    """Asks about scenes, by default in the words of the lists above."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def some(self, scene: Scene) -> Turn:
        """Return a question of some kind."""
        kind = self._random.choices(list(CHANCES), list(CHANCES.values()))[0]
        return self.ask(kind, scene)

    def ask(self, kind: str, scene: Scene) -> Turn:
        """Return a question of a kind: describe, colour, shape, count, ground or closed."""
        if kind == "describe":
            return Turn(self.open(), description(scene))
        if kind == "ground":
            asked = self._fill(self._random.choice(GROUND), scene)
            return Turn(asked, f"The background is {scene.background}.")
        if kind == "shape":
            asked = self._fill(self._random.choice(SHAPE), scene)
            is_one = scene.count == 1
            return Turn(asked, f"It is a {noun(scene)}." if is_one else f"They are {noun(scene)}.")
        if kind == "colour":
            asked = self._fill(self._random.choice(COLOUR), scene)
            is_or_are = "is" if scene.count == 1 else "are"
            return Turn(asked, f"The {noun(scene)} {is_or_are} {scene.colour}.")
        if kind == "count":
            asked = self._fill(self._random.choice(COUNT), scene)
            return Turn(asked, f"{NUMBERS[scene.count]}.")
        return self._closed(scene)

    def open(self, named: bool = False) -> str:
        """Return an open question; a named one says that it is about a picture."""
        asked = self._random.choice(DESCRIBE)
        while named and "{thing}" not in asked:
            asked = self._random.choice(DESCRIBE)
        return asked.format(thing=self._random.choice(THINGS))

    def _closed(self, scene: Scene) -> Turn:
        """Ask whether something is there; the reply says what there is."""
        named = scene if self._random.random() < 0.5 else self._wrong(scene)
        asked = self._fill(self._random.choice(CLOSED), scene, subject(named))
        return Turn(asked, f"{'It is' if scene.count == 1 else 'They are'} {subject(scene)}.")

    def _wrong(self, scene: Scene) -> Scene:
        kind = self._random.choice(("colour", "shape", "both"))
        colour, shape = scene.colour, scene.shape
        if kind != "shape":
            colour = self._other(tuple(COLOURS), colour)
        if kind != "colour":
            shape = self._other(SHAPES, shape)
        return Scene(scene.count, colour, shape)

    def _other(self, names: tuple[str, ...], name: str) -> str:
        return self._random.choice([other for other in names if other != name])

    def _fill(self, asked: str, scene: Scene, named: str = "") -> str:
        is_one = scene.count == 1
        fields = {
            "thing": self._random.choice(THINGS),
            "colour": self._random.choice(("colour", "color")),
            "it": "it",
            "this": "this" if is_one else "these",
            "is": "is" if is_one else "are",
            "Is": "Is" if is_one else "Are",
            "noun": noun(scene),
            "plural": plural(scene.shape),
            "shape": "shape" if is_one else "shapes",
            "object": self._random.choice(("object", "thing", "shape", "one")),
            "colour_name": scene.colour,
            "thing_named": named,
        }
        text = asked.format_map(fields)
        return text if is_one else text.replace("Are it ", "Are they ")
