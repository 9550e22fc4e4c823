"""What all stages of the training share."""

import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .say import say

Shares = Callable[[int], float]


def half_cosine(steps: int, warm_up: int) -> Shares:
    """Return shares of the learning rate that rise, then fall along a half cosine."""

    def share(step: int) -> float:
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / steps)))
        return min(1.0, (step + 1) / warm_up) * (0.02 + 0.98 * cosine)

    return share


def late_fall(steps: int, warm_up: int, fall: int) -> Shares:
    """Return shares of the learning rate that rise, stay, and fall in the last steps."""

    def share(step: int) -> float:
        return min(1.0, (step + 1) / warm_up, max(0.02, (steps - step) / fall))

    return share


class Learner:
    """Takes the steps of one stage."""

    def __init__(self, weights: Iterable[Tensor], rate: float, shares: Shares) -> None:
        self._weights = list(weights)
        self._adam = torch.optim.AdamW(self._weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self._rates = torch.optim.lr_scheduler.LambdaLR(self._adam, shares)
        self._began, self._taken, self._mean = time.process_time(), 0, 0.0

    def step(self, loss: Tensor) -> None:
        """Follow the gradient of a loss once."""
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._adam.step()
        self._rates.step()
        self._tell(loss.item())

    def _tell(self, loss: float) -> None:
        self._mean += (loss - self._mean) * max(0.02, 1 / (self._taken + 1))
        self._taken += 1
        if self._taken % 50 == 0:
            spent = time.process_time() - self._began
            say(f"step {self._taken} loss {self._mean:.4f} {spent:.0f} s")
