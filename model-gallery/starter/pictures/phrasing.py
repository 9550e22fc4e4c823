"""How people name a scene."""

from .scene import Scene

NUMBERS = {2: ("two", "2", "a pair of"), 3: ("three", "3", "a group of three")}
FRAMES = (
    "{}",
    "a picture of {}",
    "a photo of {}",
    "an image of {}",
    "a drawing of {}",
    "draw {}",
    "please draw {}",
    "show me {}",
    "make a picture of {}",
    "I want a picture with {}",
)
LOOKS = ("", "big ", "simple ", "bright ")


def caption(scene: Scene) -> str:
    """Return the one exact caption; a white background goes without saying."""
    place = f" on {_article(scene.background)} background" if scene.background != "white" else ""
    return f"{_subjects(scene)[0]}{place}"


def phrasings(scene: Scene) -> list[str]:
    """Return the many ways to ask for a scene, each once, the caption first."""
    plain = [f"{subject}{place}" for subject in _subjects(scene) for place in _places(scene)]
    framed = [frame.format(text) for text in plain for frame in FRAMES]
    dressed = [
        finish
        for text in framed
        for finish in (text, f"{text}.", text.capitalize(), f"{text.capitalize()}.", text.upper())
    ]
    return list(dict.fromkeys([caption(scene), *dressed]))


def _subjects(scene: Scene) -> list[str]:
    if scene.count == 1:
        noun = f"{scene.colour} {scene.shape}"
        looks = [_article(f"{look}{noun}") for look in LOOKS]
        return [*looks, noun, f"one {noun}", f"a single {noun}"]
    plural = f"{scene.shape}es" if scene.shape == "cross" else f"{scene.shape}s"
    first, *others = NUMBERS[scene.count]
    looks = [f"{first} {look}{scene.colour} {plural}" for look in LOOKS]
    return [*looks, *(f"{number} {scene.colour} {plural}" for number in others)]


def _places(scene: Scene) -> list[str]:
    places = []
    for name in (scene.background, "grey") if scene.background == "gray" else (scene.background,):
        places += [f" on {_article(name)} background", f" on {name}"]
        places += [f" with {_article(name)} background", f", {name} background"]
    usual = "black" if scene.colour == "white" else "white"
    return ["", *places] if scene.background == usual else places


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
