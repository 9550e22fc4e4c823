"""Counts how often the check reads a drawn picture right: python -m pictures.measure."""

import argparse
from random import Random

from PIL import Image, ImageFilter

from .drawing import draw
from .phrasing import caption
from .recognising import recognise
from .say import say
from .scene import Scene, all_scenes

SIZES = (64, 128, 256, 512)


def softened(image: Image.Image, blur: float, noise: float) -> Image.Image:
    """Return a picture as a small autoencoder might give it back: blurred and with noise."""
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur * image.width / 64))
    if noise:
        image = Image.blend(image, Image.effect_noise(image.size, 120).convert("RGB"), noise)
    return image


def right(scenes: list[Scene], size: int, blur: float, noise: float, tilt: float) -> int:
    """Return how many scenes are read right, and say which are not."""
    random, good = Random(size), 0
    for scene in scenes:
        found = recognise(softened(draw(scene, size, random, tilt), blur, noise))
        good += found == scene
        if found != scene:
            say(f"    {caption(scene)} -> {found}")
    return good


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="draw only every n-th scene")
    chosen = parser.parse_args()
    scenes = list(all_scenes())[:: chosen.every]
    for blur, noise, tilt in ((0.0, 0.0, 0.0), (0.0, 0.0, 12.0), (0.8, 0.1, 0.0)):
        for size in SIZES:
            good = right(scenes, size, blur, noise, tilt)
            share = 100 * good / len(scenes)
            say(
                f"{size} px, blur {blur}, noise {noise}, tilt {tilt}: "
                f"{good} of {len(scenes)} right, {share:.2f} %"
            )


if __name__ == "__main__":
    main()
