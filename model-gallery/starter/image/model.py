"""The parts of the pipeline: autoencoder, text encoder, denoiser and noise schedule."""

from importlib import import_module
from typing import Any

# Both packages type only a part of what their classes can do, so here they are Any.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")

Autoencoder = Any
Denoiser = Any
Schedule = Any
TextEncoder = Any
TextTokenizer = Any

SIDE = 64
LATENT_SIDE = 16
LATENT_CHANNELS = 4
TEXT_WIDTH = 128
TEXT_LENGTH = 32
TRAIN_STEPS = 1000


def autoencoder() -> Autoencoder:
    """Return an autoencoder of 64x64 pictures to 16x16 latents."""
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=2,
        sample_size=SIDE,
        mid_block_add_attention=False,
    )


def text_encoder(vocabulary: int, start: int, end: int) -> TextEncoder:
    """Return a small text encoder of the CLIP architecture."""
    return transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=3 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            bos_token_id=start,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def denoiser() -> Denoiser:
    """Return a denoiser of 16x16 latents that attends to itself and to the text at 8x8 and 4x4."""
    return diffusers.UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(48, 96, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def schedule() -> Schedule:
    """Return the noise schedule: it ends in noise alone, and the denoiser tells velocities."""
    return diffusers.DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
