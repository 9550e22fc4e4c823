"""One step of learning: Muon for the matrices of layers, Adam for all the rest."""

import math

import torch
from torch import nn

MATRIX_RATE = 0.005
OTHER_RATE = 0.0025
WARM_UP = 40


def is_inner(name: str) -> bool:
    """Tell whether a weight belongs to a layer."""
    return any(part in f".{name}" for part in (".blk.", ".layers."))


class Teacher:
    """Changes the weights of a module by their gradients, less and less over some steps."""

    def __init__(self, module: nn.Module, steps: int, share: float) -> None:
        self._weights = list(module.parameters())
        named = list(module.named_parameters())
        matrices = [weight for name, weight in named if weight.ndim == 2 and is_inner(name)]
        known = {id(weight) for weight in matrices}
        others = [weight for _, weight in named if id(weight) not in known]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=MATRIX_RATE * share,
                weight_decay=0.01,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=OTHER_RATE * share, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self._schedules = [
            torch.optim.lr_scheduler.LambdaLR(item, lambda step: rate(step, steps))
            for item in self._optimizers
        ]

    def step(self) -> None:
        """Change the weights once and forget their gradients."""
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a warm-up, then a half cosine to nothing."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
