"""Changes pictures and fills masks, and checks the results: python -m image.measure_edits."""

import argparse
from pathlib import Path
from random import Random
from typing import Any

import torch
from pictures import COLOURS, SHAPES, Scene, caption, draw, recognise
from PIL import Image

from .measure import FOLDER, load
from .model import SIDE, diffusers
from .say import say

STEPS = 20
GUIDANCE = 3.0


def recoloured(pipeline: Any, number: int, strength: float) -> tuple[int, int]:
    """Ask for another colour of drawn shapes; return how often colour and whole scene fit."""
    random, colour_fits, all_fits = Random(5), 0, 0
    for seed in range(number):
        old, new = random.sample([name for name in COLOURS if name != "white"], 2)
        shape = random.choice(SHAPES)
        wanted = Scene(1, new, shape)
        found = recognise(
            pipeline(
                caption(wanted),
                image=draw(Scene(1, old, shape), SIDE, random),
                strength=strength,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(seed),
            ).images[0]
        )
        colour_fits += found is not None and found.colour == new
        all_fits += found == wanted
    return colour_fits, all_fits


def filled(pipeline: Any, number: int) -> tuple[int, float]:
    """Mask a drawn shape and ask for another in its place.

    Return how often the result fits, and the mean change outside the mask (0 to 255).
    """
    random, fits, change = Random(6), 0, 0.0
    mask = Image.new("L", (SIDE, SIDE), 255)
    mask.paste(0, (0, 0, SIDE, 4))
    for seed in range(number):
        old, new = random.sample([name for name in COLOURS if name != "white"], 2)
        wanted = Scene(1, new, random.choice(SHAPES))
        before = draw(Scene(1, old, random.choice(SHAPES)), SIDE, random)
        after = pipeline(
            caption(wanted),
            image=before,
            mask_image=mask,
            strength=1.0,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        fits += recognise(after) == wanted
        change += _change(before, after)
    return fits, change / number


def _change(before: Image.Image, after: Image.Image) -> float:
    """Return the mean difference of the top rows, which the mask keeps."""
    rows = [torch.tensor(list(one.crop((0, 0, SIDE, 3)).tobytes())) for one in (before, after)]
    return float((rows[0].float() - rows[1].float()).abs().mean())


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder of the pipeline")
    parser.add_argument("--number", type=int, default=50, help="pictures of each kind")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load(chosen.model, "ddim")
    changing = diffusers.AutoPipelineForImage2Image.from_pipe(pipeline)
    changing.set_progress_bar_config(disable=True)
    for strength in (0.6, 0.8, 0.9):
        colour, whole = recoloured(changing, chosen.number, strength)
        say(f"strength {strength}: of {chosen.number} colour {colour}, whole scene {whole}")
    filling = diffusers.AutoPipelineForInpainting.from_pipe(pipeline)
    filling.set_progress_bar_config(disable=True)
    fits, change = filled(filling, chosen.number)
    say(f"masks: {fits} of {chosen.number} right, {change:.1f} of 255 changed outside")


if __name__ == "__main__":
    main()
