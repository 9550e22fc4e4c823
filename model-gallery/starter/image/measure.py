"""Makes pictures for prompts and checks them by their pixels: python -m image.measure."""

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml
from pictures import Scene, all_scenes, caption, is_held_out, phrasings, recognise

from .model import diffusers
from .say import say

FOLDER = Path(__file__).with_name("starter-image")
PROMPTS = Path(__file__).with_name("held_out_prompts.yaml")
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
}
AT_ONCE = 8


@dataclass(frozen=True)
class Asked:
    """A prompt and the scene that it means."""

    prompt: str
    scene: Scene


@dataclass(frozen=True)
class Way:
    """How pictures are made."""

    scheduler: str
    steps: int
    guidance: float


def held_out_prompts(seed: int = 0) -> list[Asked]:
    """Return the caption of each held-out scene and one random phrasing of it."""
    random, asked = Random(seed), []
    for scene in all_scenes():
        if is_held_out(scene):
            asked.append(Asked(caption(scene), scene))
            asked.append(Asked(random.choice(phrasings(scene)), scene))
    return asked


def write_prompts(path: Path) -> None:
    """Write the held-out prompts as a list of texts and scenes."""
    rows = [{"prompt": asked.prompt, **vars(asked.scene)} for asked in held_out_prompts()]
    path.write_text(yaml.safe_dump(rows, sort_keys=False))


def read_prompts(path: Path) -> list[Asked]:
    """Return the prompts of a file."""
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return [Asked(row.pop("prompt"), Scene(**row)) for row in rows]


def load(folder: Path, scheduler: str) -> Any:
    """Return the pipeline in single precision with a scheduler."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make(pipeline: Any, asked: list[Asked], way: Way, seed: int) -> list[Any]:
    """Return one picture for each prompt, each from its own seed."""
    pictures: list[Any] = []
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        seeds = range(seed + start, seed + start + len(part))
        pictures += pipeline(
            [one.prompt for one in part],
            num_inference_steps=way.steps,
            guidance_scale=way.guidance,
            generator=[torch.Generator().manual_seed(number) for number in seeds],
        ).images
    return pictures


def report(asked: list[Asked], found: list[Scene | None], way: Way, detail: bool) -> None:
    """Print the share of right pictures, and by what they show."""
    right, total = Counter[str](), Counter[str]()
    for one, scene in zip(asked, found, strict=True):
        for kind in ("all", *(f"{name} {value}" for name, value in vars(one.scene).items())):
            total[kind] += 1
            right[kind] += scene == one.scene
    for kind in total if detail else ["all"]:
        share = 100 * right[kind] / total[kind]
        say(f"{way}: {kind}: {right[kind]} of {total[kind]} right, {share:.1f} %")


def speed(pipeline: Any, way: Way) -> float:
    """Return the seconds of processor time that one picture takes."""
    one = [Asked("a red circle", Scene(1, "red", "circle"))]
    make(pipeline, one, way, 0)
    began = time.process_time()
    for seed in range(3):
        make(pipeline, one, way, seed)
    return (time.process_time() - began) / 3


def measure(folder: Path, ways: list[Way], every: int, detail: bool) -> None:
    """Print all figures of a pipeline."""
    torch.set_num_threads(1)
    asked = read_prompts(PROMPTS)[::every]
    for way in ways:
        pipeline = load(folder, way.scheduler)
        found = [recognise(picture) for picture in make(pipeline, asked, way, 1)]
        report(asked, found, way, detail)
        say(f"{way}: {speed(pipeline, way):.2f} s for a picture on one thread")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder of the pipeline")
    parser.add_argument("--steps", type=int, nargs="+", default=[10])
    parser.add_argument("--scheduler", nargs="+", choices=SCHEDULERS, default=["ddim"])
    parser.add_argument("--guidance", type=float, nargs="+", default=[3.0])
    parser.add_argument("--every", type=int, default=1, help="ask only every n-th prompt")
    parser.add_argument("--detail", action="store_true", help="tell each kind of scene apart")
    chosen = parser.parse_args()
    ways = [
        Way(scheduler, steps, guidance)
        for scheduler in chosen.scheduler
        for steps in chosen.steps
        for guidance in chosen.guidance
    ]
    measure(chosen.model, ways, chosen.every, chosen.detail)


if __name__ == "__main__":
    main()
