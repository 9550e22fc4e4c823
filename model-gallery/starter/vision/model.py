"""The picture encoder: a small vision transformer and the map into the chat model, in torch."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from .fitting import SIDE


@dataclass(frozen=True)
class EyesShape:
    """The sizes of the encoder; `feed_forward` must differ from `width` (the engine swaps then)."""

    side: int = SIDE
    patch: int = 12
    width: int = 128
    layers: int = 4
    heads: int = 8
    feed_forward: int = 512
    output: int = 256
    epsilon: float = 1e-6

    @property
    def tokens(self) -> int:
        """Return how many tokens a picture becomes."""
        return (self.side // self.patch) ** 2


def gelu(hidden: Tensor) -> Tensor:
    """Return the activation that the engine calls gelu."""
    return functional.gelu(hidden, approximate="tanh")


def waves(shape: EyesShape) -> Tensor:
    """Return the first weights of the patches: cosine waves, coarse ones first.

    Five eighths of them look at brightness, the others at two differences of colours. Finer waves
    are weaker in pictures and so get larger weights.
    """
    lines = (torch.arange(shape.patch) + 0.5) * math.pi / shape.patch
    speeds = sorted(product(range(shape.patch), repeat=2), key=lambda pair: (sum(pair), pair))
    mixes = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))
    share = 3 * shape.width // 16
    rows = []
    for mix, count in zip(mixes, (shape.width - 2 * share, share, share), strict=True):
        for down, right in speeds[:count]:
            wave = torch.outer((lines * down).cos(), (lines * right).cos())
            wave *= (1.0 + down + right) / (2.0 * shape.patch**2)
            rows.append(torch.stack([part * wave for part in mix]).flatten())
    return torch.stack(rows)


def positions(shape: EyesShape) -> Tensor:
    """Return the first embeddings of the places: waves of several lengths down and across."""
    side, count = shape.side // shape.patch, shape.width // 4
    speeds = math.pi * torch.logspace(0.0, -1.0, count) / 1.5
    angles = torch.outer(torch.arange(side), speeds)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    down, across = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return 0.7 * torch.cat([down, across], dim=-1).flatten(0, 1)


class Block(nn.Module):
    """One layer: attention among all patches and feed-forward, each behind a norm."""

    def __init__(self, shape: EyesShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.ln1 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.attn_q = nn.Linear(shape.width, shape.width)
        self.attn_k = nn.Linear(shape.width, shape.width)
        self.attn_v = nn.Linear(shape.width, shape.width)
        self.attn_out = nn.Linear(shape.width, shape.width)
        self.ln2 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.ffn_up = nn.Linear(shape.width, shape.feed_forward)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Add what attention and feed-forward say."""
        normed = self.ln1(hidden)
        query, key, value = (
            part(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.attn_q, self.attn_k, self.attn_v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.attn_out(mixed.transpose(1, 2).flatten(-2))
        fed: Tensor = self.ffn_down(gelu(self.ffn_up(self.ln2(hidden))))
        return hidden + fed


class Eyes(nn.Module):
    """Turns pictures (uint8, n x side x side x 3) into embeddings (n x tokens x output)."""

    def __init__(self, shape: EyesShape) -> None:
        super().__init__()
        self.shape = shape
        self.patch_embd = nn.Linear(3 * shape.patch**2, shape.width)
        self.position_embd = nn.Parameter(positions(shape))
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.post_ln = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.mm_0 = nn.Linear(shape.width, shape.output)
        self.mm_2 = nn.Linear(shape.output, shape.output)
        with torch.no_grad():
            self.patch_embd.weight.copy_(waves(shape))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one embedding for each patch, row by row."""
        return self.project(self.layers(pixels)[-1])

    def layers(self, pixels: Tensor) -> list[Tensor]:
        """Return what each layer gives, pictures x tokens x width."""
        given = [self.patch_embd(self._patches(pixels)) + self.position_embd]
        for block in self.blk:
            given.append(block(given[-1]))
        return given

    def project(self, hidden: Tensor) -> Tensor:
        """Return the embeddings for what the last layer gives."""
        seen: Tensor = self.mm_2(gelu(self.mm_0(self.post_ln(hidden))))
        return seen

    def _patches(self, pixels: Tensor) -> Tensor:
        """Cut pictures into patches, each a row of values by channel, line and column."""
        side, patch = self.shape.side // self.shape.patch, self.shape.patch
        values = pixels.float() / 127.5 - 1.0
        cut = values.reshape(-1, side, patch, side, patch, 3)
        return cut.permute(0, 1, 3, 5, 2, 4).reshape(-1, side * side, 3 * patch * patch)
