"""The llama architecture, small, in torch."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of a model."""

    vocabulary: int
    width: int = 256
    layers: int = 4
    heads: int = 8
    feed_forward: int = 640
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Return the width of one attention head."""
        return self.width // self.heads


def rotation(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the rotary positions, one row for each position."""
    steps = torch.arange(0, shape.head_width, 2, dtype=torch.float64) / shape.head_width
    angles = torch.outer(torch.arange(length, dtype=torch.float64), shape.rope_base**-steps)
    return angles.cos().float(), angles.sin().float()


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn neighbouring pairs of values by the angle of their position."""
    even, odd = heads[..., 0::2], heads[..., 1::2]
    turned = (even * cosines - odd * sines, even * sines + odd * cosines)
    return torch.stack(turned, dim=-1).flatten(-2)


def matrix(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear map without bias."""
    return nn.Linear(inputs, outputs, bias=False)


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attn_q = matrix(shape.width, shape.width)
        self.attn_k = matrix(shape.width, shape.width)
        self.attn_v = matrix(shape.width, shape.width)
        self.attn_output = matrix(shape.width, shape.width)

    def forward(self, hidden: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Mix each position with the ones before it."""
        query = rotate(self._split(self.attn_q(hidden)), cosines, sines)
        key = rotate(self._split(self.attn_k(hidden)), cosines, sines)
        value = self._split(self.attn_v(hidden))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        joined: Tensor = self.attn_output(mixed.transpose(1, 2).flatten(-2))
        return joined

    def _split(self, hidden: Tensor) -> Tensor:
        parts = (*hidden.shape[:2], self.shape.heads, self.shape.head_width)
        return hidden.view(parts).transpose(1, 2)


class FeedForward(nn.Module):
    """The gated feed-forward part of a layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.ffn_gate = matrix(shape.width, shape.feed_forward)
        self.ffn_up = matrix(shape.width, shape.feed_forward)
        self.ffn_down = matrix(shape.feed_forward, shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform each position by itself."""
        gated = functional.silu(self.ffn_gate(hidden)) * self.ffn_up(hidden)
        down: Tensor = self.ffn_down(gated)
        return down


class Layer(nn.Module):
    """One layer: attention and feed-forward, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.feed_forward = FeedForward(shape)

    def forward(self, hidden: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Add what attention and feed-forward say."""
        hidden = hidden + self.attention(self.attn_norm(hidden), cosines, sines)
        fed: Tensor = self.feed_forward(self.ffn_norm(hidden))
        return hidden + fed


class Llama(nn.Module):
    """A llama model whose output matrix is its token embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self._start()

    def forward(self, ids: Tensor, wanted: Tensor) -> Tensor:
        """Return the scores of the next token at the wanted positions only."""
        return self.read(self.token_embd(ids), wanted)

    def read(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Return what `forward` does, from embeddings in the place of token ids."""
        cosines, sines = rotation(self.shape, hidden.shape[1])
        for layer in self.layers:
            hidden = layer(hidden, cosines, sines)
        return functional.linear(self.output_norm(hidden[wanted]), self.token_embd.weight)

    def _start(self) -> None:
        nn.init.normal_(self.token_embd.weight, std=0.02)
        narrow = 0.5 * self.shape.width**-0.5
        for name, weight in self.layers.named_parameters():
            if weight.ndim == 2:
                quiet = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=narrow * (0.3 if quiet else 1.0))
