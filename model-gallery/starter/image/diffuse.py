"""The third stage: the denoiser learns to make latents that fit a prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch
from pictures import Scene
from torch import Tensor
from torch.nn import functional

from .compress import encode
from .learning import Learner, late_fall
from .model import (
    TRAIN_STEPS,
    Autoencoder,
    Denoiser,
    TextEncoder,
    TextTokenizer,
    denoiser,
    diffusers,
    schedule,
)
from .prompts import prompt
from .read import token_ids
from .scenes import CountWeights, Scenes

BATCH = 32
RATE = 1e-3
PICTURES = 8192
LEAST = 0.4
UNPROMPTED = 0.1
KEPT = 0.998
FALL = 800
KEEP_EVERY = 250


@dataclass(frozen=True)
class Album:
    """Scenes and the latents of their pictures."""

    scenes: list[Scene]
    latents: Tensor


@dataclass(frozen=True)
class Reader:
    """Turns prompts into what the denoiser attends to."""

    tokenizer: TextTokenizer
    model: TextEncoder

    def states(self, texts: list[str]) -> Tensor:
        """Return the states of texts, [number, TEXT_LENGTH, TEXT_WIDTH]."""
        with torch.no_grad():
            states: Tensor = self.model(token_ids(self.tokenizer, texts)).last_hidden_state
        return states


class Average:
    """A copy of a model that follows it slowly and so smooths its last steps."""

    def __init__(self, model: Denoiser) -> None:
        self.model = denoiser()
        self.model.load_state_dict(model.state_dict())
        self._steps = 0

    def follow(self, model: Denoiser) -> None:
        """Move the copy towards the model."""
        self._steps += 1
        moved = 1.0 - min(KEPT, self._steps / (self._steps + 10))
        with torch.no_grad():
            for slow, fast in zip(self.model.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, moved)


def make_album(
    model: Autoencoder, seed: int, weights: CountWeights, number: int = PICTURES
) -> Album:
    """Return random scenes, none of them held out, with the latents of their pictures."""
    scenes = Scenes(Random(seed), weights)
    chosen = [scenes.next() for _ in range(number)]
    parts = [
        encode(model, scenes.pictures(chosen[start : start + 32], LEAST))
        for start in range(0, number, 32)
    ]
    return Album(chosen, torch.cat(parts))


def train_denoiser(
    album: Album,
    reader: Reader,
    start: Callable[[], Denoiser],
    steps: int,
    seed: int,
    keep: Callable[[Denoiser], None],
) -> Denoiser:
    """Train what `start` gives and return its slow average, which `keep` gets at times, too."""
    torch.manual_seed(seed)
    random, model = Random(seed), start()
    model.set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    average = Average(model)
    learner = Learner(model.parameters(), RATE, late_fall(steps, 100, FALL))
    for step in range(1, steps + 1):
        chosen = [random.randrange(len(album.scenes)) for _ in range(BATCH)]
        texts = [_told(album.scenes[number], random) for number in chosen]
        learner.step(_loss(model, album.latents[chosen], reader.states(texts)))
        average.follow(model)
        if step % KEEP_EVERY == 0:
            keep(average.model)
    return average.model


def _told(scene: Scene, random: Random) -> str:
    return "" if random.random() < UNPROMPTED else prompt(scene, random).text


def _loss(model: Denoiser, latents: Tensor, states: Tensor) -> Tensor:
    """Return the error of the velocities at times spread evenly over the batch."""
    noise = torch.randn_like(latents)
    spread = (torch.arange(len(latents)) + torch.rand(len(latents))) / len(latents)
    times = (spread * TRAIN_STEPS).long()
    noises = schedule()
    mixed = noises.add_noise(latents, noise, times)
    wanted = noises.get_velocity(latents, noise, times)
    with torch.autocast("cpu", torch.bfloat16):
        told = model(mixed, times, states).sample
    return functional.mse_loss(told.float(), wanted)
