"""Writes a Stable Diffusion 1 folder as the single file in which such models first appeared.

The reverse of `diffusers.loaders.single_file_utils`: the same weights under their older names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Weights = dict[str, torch.Tensor]
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_ATTENTION = {
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"
}  # fmt: skip
_BLOCK = re.compile(
    r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\."
)


def save_original_file(folder: Path, path: Path) -> Path:
    """Write the weights of `folder` into one .safetensors file."""
    settings = json.loads((folder / "unet" / "config.json").read_text())
    layers = settings["layers_per_block"] + 1
    crossed = [kind.startswith("CrossAttn") for kind in settings["up_block_types"]]
    denoiser = _read(folder / "unet")
    autoencoder = _read(folder / "vae")
    text = _read(folder / "text_encoder")
    named = {
        f"model.diffusion_model.{_unet_name(name, layers, crossed)}": tensor
        for name, tensor in denoiser.items()
    }
    blocks = len(settings["block_out_channels"]) + 1
    for name, tensor in autoencoder.items():
        named.update([_vae_entry(name, tensor, blocks)])
    for name, tensor in text.items():
        whole = name if name.startswith("text_model.") else f"text_model.{name}"
        named[f"cond_stage_model.transformer.{whole}"] = tensor
    save_file({name: tensor.contiguous() for name, tensor in named.items()}, path)
    return path


def _read(part: Path) -> Weights:
    (file,) = part.glob("*.safetensors")
    return dict(load_file(file))


def _unet_name(name: str, layers: int, crossed: list[bool]) -> str:
    for new, old in _UNET.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old)
    if name.startswith("mid_block."):
        resnet = re.match(r"mid_block\.resnets\.(\d)\.", name)
        if resnet is None:
            return name.replace("mid_block.attentions.0", "middle_block.1")
        place = f"middle_block.{2 * int(resnet[1])}."
        return _older(name.replace(resnet[0], place), _RESNET)
    found = _BLOCK.match(name)
    assert found is not None, name
    way, block, kind, layer = found[1], int(found[2]), found[3], int(found[4])
    rest = name[found.end() :]
    if kind == "downsamplers":
        return f"input_blocks.{layers * (block + 1)}.0.{rest.replace('conv', 'op')}"
    if kind == "upsamplers":
        return f"output_blocks.{layers * (block + 1) - 1}.{1 + crossed[block]}.{rest}"
    number = layers * block + layer + (way == "down")
    side = "input" if way == "down" else "output"
    if kind == "attentions":
        return f"{side}_blocks.{number}.1.{rest}"
    return f"{side}_blocks.{number}.0.{_older(rest, _RESNET)}"


def _vae_entry(name: str, tensor: torch.Tensor, blocks: int) -> tuple[str, torch.Tensor]:
    if ".attentions.0." in name:
        older = _older(name.replace("mid_block.attentions.0", "mid.attn_1"), _ATTENTION)
        is_matrix = tensor.ndim == 2
        return f"first_stage_model.{older}", tensor[:, :, None, None] if is_matrix else tensor
    older = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    older = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", older)
    older = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", older)
    older = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", older)
    older = re.sub(
        r"up_blocks\.(\d)\.resnets", lambda m: f"up.{blocks - 1 - int(m[1])}.block", older
    )
    older = re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample", older
    )
    return f"first_stage_model.{older}", tensor


def _older(name: str, names: dict[str, str]) -> str:
    for new, old in names.items():
        name = name.replace(f"{new}.", f"{old}.")
    return name
