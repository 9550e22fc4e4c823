"""Starts an autoencoder as a copier of block colours, so that only edges are left to learn.

Red, green and blue travel as pairs of channels of opposite sign, beside a pair of constants:
the sum of silu(x) and -silu(-x) is x, a pair has mean zero, and large constants keep the
spread of a group nearly the same for all pictures. So norms and activations change little.
"""

from typing import Any

import torch
from torch import Tensor

from .model import Autoencoder

Part = Any

PAIRS = 3
USED = 2 * PAIRS + 2
CONSTANT = 3.0
QUIET = -5.0


def start_as_copier(model: Autoencoder) -> None:
    """Set the weights of a fresh autoencoder so that it copies 4x4 block means."""
    with torch.no_grad():
        for name, part in model.named_modules():
            if name.endswith("conv2"):
                part.weight.zero_()
                part.bias.zero_()
            elif name.endswith("conv_shortcut"):
                _pass(part.weight, torch.ones(1, 1))
                part.bias[:USED].zero_()
            elif name.endswith("downsamplers.0.conv"):
                _pass(part.weight, torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0, 0, 0]]) / 4)
                part.bias[:USED].zero_()
            elif name.endswith("upsamplers.0.conv"):
                _pass(part.weight, _point(3))
                part.bias[:USED].zero_()
        _enter(model.encoder.conv_in)
        _enter(model.decoder.conv_in)
        _leave(model.encoder.conv_out, model.encoder.conv_norm_out)
        _leave(model.decoder.conv_out, model.decoder.conv_norm_out)
        for part in (model.quant_conv, model.post_quant_conv):
            part.weight.copy_(torch.eye(part.weight.shape[0])[:, :, None, None])
            part.bias.zero_()
        model.encoder.conv_out.bias[-model.config.latent_channels :] = QUIET


def _point(side: int) -> Tensor:
    kernel = torch.zeros(side, side)
    kernel[side // 2, side // 2] = 1.0
    return kernel


def _pass(weight: Tensor, kernel: Tensor) -> None:
    """Let the used channels through, filtered, and nothing else into them."""
    weight[:USED] = 0.0
    for channel in range(USED):
        weight[channel, channel] = kernel


def _enter(conv: Part) -> None:
    """Spread the first inputs over pairs of channels and set the constants."""
    conv.weight[:USED] = 0.0
    conv.bias[:USED] = 0.0
    for pair in range(PAIRS):
        conv.weight[2 * pair, pair, 1, 1] = 1.0
        conv.weight[2 * pair + 1, pair, 1, 1] = -1.0
    conv.bias[2 * PAIRS], conv.bias[2 * PAIRS + 1] = CONSTANT, -CONSTANT


def _leave(conv: Part, norm: Part) -> None:
    """Join the pairs of channels again behind the norm, which divides by the usual spread."""
    members = norm.num_channels // norm.num_groups
    norm.weight[:] = (2 * CONSTANT**2 + PAIRS) ** 0.5 / members**0.5
    conv.weight[:PAIRS] = 0.0
    conv.bias[:PAIRS] = 0.0
    for pair in range(PAIRS):
        conv.weight[pair, 2 * pair, 1, 1] = 1.0
        conv.weight[pair, 2 * pair + 1, 1, 1] = -1.0
