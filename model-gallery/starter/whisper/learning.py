"""The losses, the optimizers and one stage of the training."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from .clips import UNKNOWN
from .model import Whisper
from .samples import Batch
from .say import say

MATRIX_RATE = 0.006
OTHER_RATE = 0.003
WARM_UP = 100
PHONEME_SHARE = 0.4
ALIGNMENT_SHARE = 0.3
SLACK = 1


@dataclass(frozen=True)
class Losses:
    """Cross-entropy of tokens and phonemes, and how far attention is from where words are."""

    tokens: Tensor
    phonemes: Tensor
    alignment: Tensor

    @property
    def total(self) -> Tensor:
        """Return what is learned from."""
        return self.tokens + PHONEME_SHARE * self.phonemes + ALIGNMENT_SHARE * self.alignment


def losses(model: Whisper, batch: Batch, even: bool) -> Losses:
    """Compare what the model says about a batch with what is right.

    Attention has to be somewhere in the frames of a word or, if even, all over them.
    """
    heard = model.encoder(batch.features)
    tokens = model.decoder.tokens()
    hidden, weights = model.decoder(batch.ids, heard, tokens)
    scores = functional.linear(hidden[batch.wanted], tokens)
    spoken = model.phonemes(heard).flatten(0, 1)
    return Losses(
        functional.cross_entropy(scores, batch.targets, label_smoothing=0.02),
        functional.cross_entropy(spoken, batch.phonemes.flatten(), ignore_index=UNKNOWN),
        (uneven if even else misplaced)(weights, batch.heard),
    )


def misplaced(weights: Tensor, heard: Tensor) -> Tensor:
    """Return the mean of -log of the attention that falls into the frames of each token."""
    known = heard[..., 1] >= 0
    ranges = heard[known]
    sums = functional.pad(weights.transpose(1, 2)[known].cumsum(-1), (1, 0))
    first = (ranges[:, 0] - SLACK).clamp(0, sums.shape[-1] - 2)
    last = (ranges[:, 1] + SLACK).clamp(max=sums.shape[-1] - 1)
    last = torch.maximum(last, first + 1)
    inside = sums.gather(-1, last[:, None, None].expand(-1, sums.shape[1], 1))
    inside = inside - sums.gather(-1, first[:, None, None].expand(-1, sums.shape[1], 1))
    mean: Tensor = -inside.clamp(min=1e-6).log().mean()
    return mean


def uneven(weights: Tensor, heard: Tensor) -> Tensor:
    """Return how far the attention is from an even one over the frames of each token.

    Word timestamps come from where the attention changes: they are right if it covers a word.
    """
    known = heard[..., 1] >= 0
    ranges = heard[known]
    logs = weights.transpose(1, 2)[known].clamp(min=1e-5).log()
    sums = functional.pad(logs.cumsum(-1), (1, 0))
    first = ranges[:, 0].clamp(0, logs.shape[-1] - 1)
    last = torch.maximum(ranges[:, 1].clamp(max=logs.shape[-1]), first + 1)
    inside = sums.gather(-1, last[:, None, None].expand(-1, sums.shape[1], 1))
    inside = inside - sums.gather(-1, first[:, None, None].expand(-1, sums.shape[1], 1))
    frames = (last - first)[:, None, None]
    distance: Tensor = -(inside / frames + frames.log()).mean()
    return distance


def optimizers(model: Whisper) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and Adam for all the rest."""
    layers = [*model.encoder.layers.parameters(), *model.decoder.layers.parameters()]
    matrices = [weight for weight in layers if weight.ndim == 2]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    muon = torch.optim.Muon(
        matrices, lr=MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    return [muon, adam]


@dataclass(frozen=True)
class Rates:
    """The share of the learning rate at the beginning and the end of a stage."""

    first: float
    last: float

    def at(self, step: int, steps: int) -> float:
        """Return the share after some steps: a warm-up, then half a cosine."""
        fallen = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        return min(1.0, (step + 1) / WARM_UP) * (self.last + (self.first - self.last) * fallen)


def learn(
    model: Whisper, stream: Iterator[Batch], steps: int, rates: Rates, even: bool, keep: Path
) -> None:
    """Train the model for some steps; the weights are kept every 250 steps."""
    chosen = optimizers(model)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(item, lambda step: rates.at(step, steps))
        for item in chosen
    ]
    began, sums = time.process_time(), torch.zeros(3)
    for step in range(steps):
        found = losses(model, next(stream), even)
        if not torch.isfinite(found.total):
            continue  # a batch without any known phoneme has no mean of them
        model.zero_grad()
        torch.autograd.backward(found.total)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(chosen, schedules, strict=True):
            optimizer.step()
            schedule.step()
        sums += torch.stack([found.tokens, found.phonemes, found.alignment]).detach()
        if step % 50 == 49:
            tokens, phonemes, alignment = (sums / 50).tolist()
            spent = time.process_time() - began
            say(f"step {step + 1} {tokens:.3f} {phonemes:.3f} {alignment:.3f} {spent:.0f} s")
            sums.zero_()
        if step % 250 == 249:
            torch.save(model.state_dict(), keep)
