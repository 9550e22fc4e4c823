"""A loaded Whisper model: faster-whisper's, that can be stopped and tells its certainty."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faster_whisper import WhisperModel

from localai.errors import LoadFailed

from .options import Options

_FILES = {
    "model.bin": "the weights",
    "config.json": "the model's configuration",
    "tokenizer.json": "the tokenizer",
}
_MELS = "preprocessor_config.json"
_TOKENS = ("<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>")
MOST_BEFORE = 223
"""Tokens that the decoder may know before it writes: half of its 448 positions are for its text."""


class Stopped(Exception):
    """Nobody waits for this transcription any more."""


@dataclass(slots=True)
class Call:
    """One transcription while it is computed."""

    stop: threading.Event = field(default_factory=threading.Event)
    certainty: list[tuple[int, float]] | None = None
    """Each text token with its probability, where they are wanted."""


CALL: ContextVar[Call] = ContextVar("call")


class Whisper(WhisperModel):  # type: ignore[misc]
    """Looks at the running `Call` where faster-whisper encodes audio and aligns text with it."""

    def encode(self, features: Any) -> Any:
        """Encode at most one batch; raises Stopped when nobody waits for it."""
        if CALL.get().stop.is_set():
            raise Stopped
        return super().encode(features)

    def get_prompt(
        self,
        tokenizer: Any,
        previous_tokens: list[int],
        without_timestamps: bool = False,
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> Any:
        """Shorten the text so far to what the keywords leave, which keeps room for the answer."""
        # faster-whisper admits MOST_BEFORE of each, which together fill the decoder.
        room = MOST_BEFORE - len(text_tokens(self.hf_tokenizer, hotwords))
        previous = previous_tokens[-room:] if room > 0 else []
        return super().get_prompt(tokenizer, previous, without_timestamps, prefix, hotwords)

    def find_alignment(
        self, tokenizer: Any, text_tokens: Any, encoder_output: Any, num_frames: Any, *more: Any
    ) -> Any:
        """Find when each word is said, and note how likely each token is."""
        certainty = CALL.get().certainty
        if certainty is not None and text_tokens:
            results = self.model.align(
                encoder_output, tokenizer.sot_sequence, text_tokens, num_frames
            )
            for tokens, result in zip(text_tokens, results, strict=True):
                certainty.extend(zip(tokens, result.text_token_probs, strict=False))
        return super().find_alignment(tokenizer, text_tokens, encoder_output, num_frames, *more)


def text_tokens(tokenizer: Any, text: str | None) -> list[int]:
    """Return the tokens of a text as it stands behind other words."""
    plain = f" {text.strip()}" if text and text.strip() else ""
    tokens: list[int] = tokenizer.encode(plain, add_special_tokens=False).ids
    return tokens


def load_model(folder: Path, options: Options) -> Whisper:
    """Load a model in CTranslate2's format from `folder`.

    Raises LoadFailed that names what is missing or wrong.
    """
    _check_files(folder)
    try:
        model = Whisper(
            str(folder),
            device=options.device,
            device_index=options.device_index,
            compute_type=options.compute_type,
            cpu_threads=options.cpu_threads,
            num_workers=options.num_workers,
            local_files_only=True,
        )
    except Exception as error:  # the tokenizer's errors are bare Exceptions
        raise LoadFailed(f"{folder} cannot be loaded as a Whisper model: {error}") from error
    _check_tokenizer(folder, model)
    _check_mels(folder, model)
    return model


def _check_tokenizer(folder: Path, model: Whisper) -> None:
    missing = [token for token in _TOKENS if model.hf_tokenizer.token_to_id(token) is None]
    if missing:
        raise LoadFailed(f"{folder / 'tokenizer.json'} is no Whisper tokenizer: no {missing[0]}.")


def _check_mels(folder: Path, model: Whisper) -> None:
    """Without its file the engine takes 80 for granted, which the large models are not."""
    wanted, made = model.model.n_mels, len(model.feature_extractor.mel_filters)
    if made != wanted:
        raise LoadFailed(
            f"The model hears {wanted} mel bands, but {folder / _MELS} makes {made} (80 where the "
            "file is missing): copy the one that belongs to the model."
        )


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise LoadFailed(
            f"{folder} is no folder: a Whisper model in CTranslate2's format is a folder with "
            "model.bin, config.json and tokenizer.json."
        )
    for name, what in _FILES.items():
        if not (folder / name).is_file():
            raise LoadFailed(
                f"{folder} has no {name}, {what}: copy the model's folder as a whole. Models in "
                "other formats have to be converted: ct2-transformers-converter --copy_files "
                "tokenizer.json preprocessor_config.json."
            )
