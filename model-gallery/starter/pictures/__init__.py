"""Simple pictures of coloured shapes: their captions, their drawing and a check by pixels."""

from .drawing import draw
from .phrasing import caption, phrasings
from .recognising import recognise
from .scene import BACKGROUNDS, COLOURS, COUNTS, SHAPES, Scene, all_scenes, is_held_out

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "COUNTS",
    "SHAPES",
    "Scene",
    "all_scenes",
    "caption",
    "draw",
    "is_held_out",
    "phrasings",
    "recognise",
]
