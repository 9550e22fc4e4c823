"""Writes a trained model as a CTranslate2 folder for faster-whisper, by way of transformers."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer
from torch import Tensor
from transformers import WhisperConfig, WhisperForConditionalGeneration

from .model import Shape, Whisper, sinusoids
from .tokenizer import END, NO_TIMES, PREVIOUS, SPECIAL, START, Codes, token_id

# The second layer of the decoder is trained to look where each word is heard.
ALIGNMENT_HEADS = [[1, 0], [1, 1]]
FEATURES = {
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}
SPACE = "Ġ"


def write_folder(out: Path, model: Whisper, tokenizer: Tokenizer, quantization: str) -> None:
    """Write the model folder; files that are there already are replaced."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        described = WhisperForConditionalGeneration(_config(model.shape, tokenizer))
        described.load_state_dict(weights(model))
        _describe_generation(described.generation_config, tokenizer)
        described.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        _write_json(folder / "tokenizer_config.json", _tokenizer_config())
        _write_json(folder / "preprocessor_config.json", FEATURES)
        copied = ["tokenizer.json", "preprocessor_config.json"]
        converter = TransformersConverter(str(folder), copy_files=copied)
        shutil.rmtree(out, ignore_errors=True)
        converter.convert(str(out), quantization=quantization)


def weights(model: Whisper) -> dict[str, Tensor]:
    """Return the weights under the names of transformers."""
    named = {
        f"model.{name}": value
        for name, value in model.state_dict().items()
        if not name.startswith(("phonemes.", "decoder.plain_tokens.", "decoder.time_matrix."))
    }
    shape = model.shape
    with torch.no_grad():
        tokens = model.decoder.tokens().clone()
    named["model.encoder.embed_positions.weight"] = sinusoids(shape.frames, shape.width)
    named["model.decoder.embed_tokens.weight"] = tokens
    named["proj_out.weight"] = tokens
    return named


def _config(shape: Shape, tokenizer: Tokenizer) -> WhisperConfig:
    codes = Codes(tokenizer)
    return WhisperConfig(
        vocab_size=shape.vocabulary,
        num_mel_bins=shape.bands,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward,
        decoder_ffn_dim=shape.feed_forward,
        max_source_positions=shape.frames,
        max_target_positions=shape.positions,
        decoder_start_token_id=codes.start,
        bos_token_id=codes.end,
        eos_token_id=codes.end,
        pad_token_id=codes.end,
        suppress_tokens=[],
        begin_suppress_tokens=[token_id(tokenizer, SPACE), codes.end],
    )


def _describe_generation(generation: Any, tokenizer: Tokenizer) -> None:
    generation.alignment_heads = ALIGNMENT_HEADS
    generation.suppress_tokens = []
    generation.begin_suppress_tokens = [token_id(tokenizer, name) for name in (SPACE, END)]
    generation.no_timestamps_token_id = token_id(tokenizer, NO_TIMES)
    generation.prev_sot_token_id = token_id(tokenizer, PREVIOUS)
    generation.max_length = 448
    generation.is_multilingual = False


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "unk_token": END,
        "additional_special_tokens": [START, *SPECIAL[2:]],
        "clean_up_tokenization_spaces": False,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
