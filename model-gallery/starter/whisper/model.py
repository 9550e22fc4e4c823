"""The Whisper architecture, small, in torch; parameters are named as in transformers."""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of a model; the encoder sees 1500 frames, the last tokens are the timestamps."""

    vocabulary: int
    width: int = 96
    heads: int = 2
    encoder_layers: int = 2
    decoder_layers: int = 2
    feed_forward: int = 384
    bands: int = 80
    frames: int = 1500
    positions: int = 448
    times: int = 1501


def sinusoids(length: int, width: int) -> Tensor:
    """Return sines and cosines of positions, as the encoder of Whisper has them."""
    steps = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * steps[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Attention of some positions to themselves or to others."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width)
        self.out_proj = nn.Linear(shape.width, shape.width)

    def forward(self, hidden: Tensor, seen: Tensor, causal: bool = False) -> Tensor:
        """Mix what is seen into each position."""
        query, key, value = self._parts(hidden, seen)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        joined: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(-2))
        return joined

    def watched(self, hidden: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mix as forward does, and return the weights [n, heads, positions, seen], too."""
        query, key, value = self._parts(hidden, seen)
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(dim=-1)
        return self.out_proj((weights @ value).transpose(1, 2).flatten(-2)), weights

    def _parts(self, hidden: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.q_proj(hidden), self.k_proj(seen), self.v_proj(seen)
        return self._split(query), self._split(key), self._split(value)

    def _split(self, hidden: Tensor) -> Tensor:
        parts = (*hidden.shape[:2], self.heads, hidden.shape[2] // self.heads)
        return hidden.view(parts).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.self_attn_layer_norm = nn.LayerNorm(shape.width)
        self.fc1 = nn.Linear(shape.width, shape.feed_forward)
        self.fc2 = nn.Linear(shape.feed_forward, shape.width)
        self.final_layer_norm = nn.LayerNorm(shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Add what attention and feed-forward say."""
        seen = self.self_attn_layer_norm(hidden)
        hidden = hidden + self.self_attn(seen, seen)
        fed: Tensor = self.fc2(functional.gelu(self.fc1(self.final_layer_norm(hidden))))
        return hidden + fed


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder, and feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.self_attn_layer_norm = nn.LayerNorm(shape.width)
        self.fc1 = nn.Linear(shape.width, shape.feed_forward)
        self.fc2 = nn.Linear(shape.feed_forward, shape.width)
        self.final_layer_norm = nn.LayerNorm(shape.width)
        self.encoder_attn = Attention(shape)
        self.encoder_attn_layer_norm = nn.LayerNorm(shape.width)

    def forward(self, hidden: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next hidden state and the weights of the attention to the encoder."""
        seen = self.self_attn_layer_norm(hidden)
        hidden = hidden + self.self_attn(seen, seen, causal=True)
        mixed, weights = self.encoder_attn.watched(self.encoder_attn_layer_norm(hidden), heard)
        hidden = hidden + mixed
        fed: Tensor = self.fc2(functional.gelu(self.fc1(self.final_layer_norm(hidden))))
        return hidden + fed, weights


class Encoder(nn.Module):
    """Features to hidden states, one for two columns."""

    places: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.bands, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.encoder_layers))
        self.layer_norm = nn.LayerNorm(shape.width)
        self.register_buffer("places", sinusoids(shape.frames, shape.width), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return [n, columns / 2, width]."""
        hidden = functional.gelu(self.conv2(functional.gelu(self.conv1(features)))).transpose(1, 2)
        hidden = hidden + self.places[: hidden.shape[1]]
        for layer in self.layers:
            hidden = layer(hidden)
        normed: Tensor = self.layer_norm(hidden)
        return normed


class Decoder(nn.Module):
    """Token ids to hidden states.

    A timestamp is the position of its encoder frame, turned by one learned matrix: so a moment is
    learned from all other moments.
    """

    places: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.plain_tokens = nn.Embedding(shape.vocabulary - shape.times, shape.width)
        self.time_matrix = nn.Linear(shape.width, shape.width, bias=False)
        self.embed_positions = nn.Embedding(shape.positions, shape.width)
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.decoder_layers))
        self.layer_norm = nn.LayerNorm(shape.width)
        self.register_buffer("places", sinusoids(shape.times, shape.width), persistent=False)

    def tokens(self) -> Tensor:
        """Return the embeddings of all tokens."""
        return torch.cat([self.plain_tokens.weight, self.time_matrix(self.places)])

    def forward(self, ids: Tensor, heard: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states and the last layer's weights of the attention to the encoder."""
        hidden = functional.embedding(ids, tokens) + self.embed_positions.weight[: ids.shape[1]]
        for layer in self.layers:
            hidden, weights = layer(hidden, heard)
        return self.layer_norm(hidden), weights


class Whisper(nn.Module):
    """A Whisper model, and a phoneme classifier that only the training uses."""

    def __init__(self, shape: Shape, phonemes: int) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.phonemes = nn.Linear(shape.width, phonemes)
        self._start()

    def _start(self) -> None:
        nn.init.normal_(self.decoder.plain_tokens.weight, std=0.05)
        nn.init.normal_(self.decoder.time_matrix.weight, std=0.05)
        with torch.no_grad():
            places = sinusoids(self.shape.positions, self.shape.width)
            self.decoder.embed_positions.weight.copy_(0.05 * places)
