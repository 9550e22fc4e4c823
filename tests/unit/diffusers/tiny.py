"""Tiny pipelines of random weights, in the formats of real ones; they draw noise, but quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WINDOW = 16
"""Tokens that the text encoders read, with the two that mark the ends."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def save_stable_diffusion(
    folder: Path, kind: Any = StableDiffusionPipeline, **denoiser: Any
) -> Path:
    """Write a Stable Diffusion 1 pipeline; its latents are four pixels wide, its pictures 64."""
    torch.manual_seed(1)
    pipeline = kind(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(),
        unet=_denoiser(cross_attention_dim=32, **denoiser),
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1, **_NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_stable_diffusion_inpainting(folder: Path) -> Path:
    """Write one that was trained to fill masks: it sees the mask and what is beside it."""
    return save_stable_diffusion(folder, StableDiffusionInpaintPipeline, in_channels=9)


def save_latent_consistency(folder: Path) -> Path:
    """Write one whose denoiser reads the guidance scale as an input."""
    return save_stable_diffusion(folder, time_cond_proj_dim=8)


def save_stable_diffusion_xl(folder: Path) -> Path:
    """Write a Stable Diffusion XL pipeline."""
    torch.manual_seed(1)
    pipeline = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=_denoiser(
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 32,
        ),
        scheduler=EulerDiscreteScheduler(**_NOISE),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_stable_diffusion_3(folder: Path) -> Path:
    """Write a Stable Diffusion 3 pipeline: three text encoders, a transformer, flow matching."""
    torch.manual_seed(1)
    pipeline = StableDiffusion3Pipeline(
        vae=_autoencoder(**_FLOW_AUTOENCODER, latent_channels=16),
        text_encoder=CLIPTextModelWithProjection(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        text_encoder_3=_long_text_encoder(),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        tokenizer_3=_long_tokenizer(),
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=32,
            caption_projection_dim=32,
            pooled_projection_dim=64,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_flux(folder: Path, kind: Any = FluxPipeline, **denoiser: Any) -> Path:
    """Write a FLUX pipeline: its latents are rows of patches of two by two places."""
    torch.manual_seed(1)
    settings: dict[str, Any] = {"in_channels": 16, **denoiser}
    pipeline = kind(
        vae=_autoencoder(**_FLOW_AUTOENCODER),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=_long_text_encoder(),
        tokenizer=_tokenizer(),
        tokenizer_2=_long_tokenizer(),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            **settings,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_flux_fill(folder: Path) -> Path:
    """Write a FLUX pipeline that was trained to fill masks, whose pixels are latents there."""
    return save_flux(folder, FluxFillPipeline, in_channels=16 + 16 + 4 * 4 * 4, out_channels=16)


_FLOW_AUTOENCODER: dict[str, Any] = {
    "use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.1,
    "scaling_factor": 0.3,
}  # fmt: skip


def _long_tokenizer() -> T5Tokenizer:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=[*pieces, *((letter, -3.0) for letter in _LETTERS)], extra_ids=0)


def _long_text_encoder() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    )


_NOISE: dict[str, Any] = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"
}  # fmt: skip


def _autoencoder(**changes: Any) -> AutoencoderKL:
    settings: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (8, 8, 8),
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "sample_size": 64,
    }
    return AutoencoderKL(**settings | changes)


def _denoiser(**changes: Any) -> UNet2DConditionModel:
    settings: dict[str, Any] = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**settings | changes)


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=32,
        intermediate_size=32,
        projection_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WINDOW,
        bos_token_id=_vocabulary()["<|startoftext|>"],
        eos_token_id=_vocabulary()["<|endoftext|>"],
        pad_token_id=_vocabulary()["<|endoftext|>"],
    )


def _vocabulary() -> dict[str, int]:
    tokens = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    return {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(_vocabulary(), [], model_max_length=WINDOW)
