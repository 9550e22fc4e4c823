"""From ids to features: an encoder of ids, their lengths, and a decoder of frames."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import torch
from torch import Tensor, nn
from torch.nn import functional

from .shape import BANDS, FEATURES, NOISE_BANDS, SYMBOLS

ENCODER_WIDTH = 144
DECODER_WIDTH = 160
KERNEL = 5
ENCODER_STEPS = (1, 2, 4, 8)
DECODER_STEPS = (1, 2, 4)
PLACE = 4
MIDDLE = [-5.0] * BANDS + [0.5] * NOISE_BANDS + [5.0]
SPREAD = [3.0] * BANDS + [0.5] * NOISE_BANDS + [0.4]


class Block(nn.Module):
    """A norm, a convolution over time and a linear map, added to the input."""

    def __init__(self, width: int, step: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        reach = step * (KERNEL - 1) // 2
        self.near = nn.Conv1d(width, width, KERNEL, padding=reach, dilation=step)
        self.mix = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Transform hidden values [batch, time, width]; the mask is [batch, time, 1]."""
        normed = (self.norm(hidden) * mask).transpose(1, 2)
        mixed: Tensor = self.mix(functional.gelu(self.near(normed)).transpose(1, 2))
        return hidden + mixed


class Acoustic(nn.Module):
    """Predicts the frames of each id and the features of each frame."""

    def __init__(self, speakers: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(SYMBOLS, ENCODER_WIDTH)
        self.speakers = nn.Embedding(speakers, ENCODER_WIDTH)
        self.encoder = nn.ModuleList(Block(ENCODER_WIDTH, step) for step in ENCODER_STEPS)
        self.length = nn.Linear(ENCODER_WIDTH, 1)
        self.widen = nn.Linear(ENCODER_WIDTH + PLACE, DECODER_WIDTH)
        self.decoder = nn.ModuleList(Block(DECODER_WIDTH, step) for step in DECODER_STEPS)
        self.norm = nn.LayerNorm(DECODER_WIDTH)
        self.out = nn.Linear(DECODER_WIDTH, FEATURES)
        self.register_buffer("middle", torch.tensor(MIDDLE))
        self.register_buffer("spread", torch.tensor(SPREAD))

    def encode(self, ids: Tensor, speaker: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden values of ids [batch, time], and log(1 + frames) of each."""
        hidden = self.symbols(ids) + self.speakers(speaker).unsqueeze(1)
        for block in self.encoder:
            hidden = block(hidden, mask)
        return hidden, self.length(hidden).squeeze(2)

    def decode(self, hidden: Tensor, places: Tensor, mask: Tensor) -> Tensor:
        """Return features of frames from their ids' hidden values and their places in the id."""
        frames = self.widen(torch.cat([hidden, places], dim=2))
        for block in self.decoder:
            frames = block(frames, mask)
        return torch.as_tensor(self.out(self.norm(frames)) * self.spread + self.middle)


def places_of(done: Tensor, length: Tensor) -> Tensor:
    """Return what the decoder is told of frames: the share that is past, and the length."""
    share = (done + 0.5) / length.clamp(min=1.0)
    return torch.stack([share, 1.0 - share, length.clamp(min=1.0).log() - 2.0, 0.1 * done], dim=-1)
