"""The first stage: the autoencoder learns to give pictures back."""

from random import Random

import torch
from torch import Tensor
from torch.nn import functional

from .learning import Learner, half_cosine
from .model import Autoencoder, autoencoder
from .outset import start_as_copier
from .scenes import Scenes

BATCH = 8
RATE = 1.5e-3
EDGES = 0.5
KL = 1e-3


def train_autoencoder(steps: int, seed: int) -> Autoencoder:
    """Return an autoencoder whose latents have a spread of one after its scaling factor."""
    torch.manual_seed(seed)
    scenes, model = Scenes(Random(seed)), autoencoder()
    start_as_copier(model)
    learner = Learner(model.parameters(), RATE, half_cosine(steps, 30))
    for _ in range(steps):
        pictures = scenes.pictures([scenes.next() for _ in range(BATCH)])
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.encode(pictures).latent_dist
            given = model.decode(seen.sample()).sample
        learner.step(_error(given.float(), pictures) + KL * _kl(seen.mean, seen.logvar))
    model.eval().register_to_config(scaling_factor=1.0 / _spread(model, scenes))
    return model


def encode(model: Autoencoder, pictures: Tensor) -> Tensor:
    """Return the scaled latents of pictures, without the autoencoder's own noise."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latents: Tensor = model.encode(pictures).latent_dist.mean.float()
    return latents * float(model.config.scaling_factor)


def _error(given: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean difference of pixels and of the steps between neighbours."""
    error = functional.l1_loss(given, wanted)
    for axis in (2, 3):
        error = error + EDGES * functional.l1_loss(given.diff(dim=axis), wanted.diff(dim=axis))
    return error


def _kl(mean: Tensor, logvar: Tensor) -> Tensor:
    mean, logvar = mean.float(), logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()


def _spread(model: Autoencoder, scenes: Scenes) -> float:
    pictures = scenes.pictures([scenes.next() for _ in range(256)])
    model.register_to_config(scaling_factor=1.0)
    return float(encode(model, pictures).std())
