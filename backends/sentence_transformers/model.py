"""A model's folder: loaded, and asked for tokens and vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from backends.sentence_transformers.options import Options
from localai.errors import LoadFailed
from localai.worker.long_input import Frame, Tokens

_PROBE = "a"
"""Any text of at least one token, to see what the tokenizer puts around it."""


class TextModel:
    """A loaded model; tokenizing may happen on any thread, computing on one."""

    def __init__(self, network: SentenceTransformer, options: Options) -> None:
        self._network = network
        self._tokenizer = network.tokenizer
        self._prompt = _prompt(network, options)
        self.window = _window(network, options)
        self.vocabulary_size = len(self._tokenizer)
        self.frame = Frame.found(self._ids([_PROBE])[0], self._tokenizer(_PROBE)["input_ids"])
        self.prefix = self._prefix()
        self.device = str(network.device)

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """Return the tokens of each text behind the prompt, without special tokens."""
        return self._ids([self._prompt + text for text in texts]) if texts else []

    def compute(self, batch: list[Tokens]) -> NDArray[np.float32]:
        """Return the vectors of framed texts, (texts, dimensions)."""
        padded = self._tokenizer.pad({"input_ids": batch}, return_tensors="pt")
        features: dict[str, Any] = {name: t.to(self.device) for name, t in padded.items()}
        with torch.inference_mode():
            found = self._network(features)["sentence_embedding"]
        vectors: NDArray[np.float32] = found.float().cpu().numpy()
        return vectors

    def _prefix(self) -> Tokens:
        """Return the tokens that the prompt is before a text."""
        # Asked with a text, since some tokenizers take the blank between as part of its first word.
        bare, prompted, alone = self._ids([_PROBE, self._prompt + _PROBE, self._prompt])
        start = len(prompted) - len(bare)
        return prompted[:start] if prompted[start:] == bare else alone

    def _ids(self, texts: list[str]) -> list[Tokens]:
        found: list[Tokens] = self._tokenizer(
            texts,
            add_special_tokens=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        return found


def load_model(folder: Path, options: Options) -> TextModel:
    """Load the weights.

    Raises LoadFailed with what is wrong with the folder or the options.
    """
    _check_folder(folder)
    if options.n_threads:
        torch.set_num_threads(options.n_threads)
    try:
        network = SentenceTransformer(
            str(folder),
            device=_device(options),
            local_files_only=True,
            trust_remote_code=options.trust_remote_code,
            model_kwargs={"dtype": getattr(torch, options.dtype)},
        )
    except Exception as error:
        raise LoadFailed(
            f"sentence-transformers cannot load {folder}: {type(error).__name__}: {error}"
        ) from error
    return TextModel(network.eval(), options)


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise LoadFailed(f"{folder} does not exist.")
    if not folder.is_dir():
        raise LoadFailed(
            f"{folder} is a file: sentence-transformers needs a folder with a modules.json."
        )
    if not (folder / "modules.json").exists():
        raise LoadFailed(
            f"{folder} has no modules.json, which says how the model pools its tokens: it is not a "
            "model of sentence-transformers."
        )


def _device(options: Options) -> str | None:
    if options.device == "auto":
        return None
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        raise LoadFailed(f"device: {options.device} cannot be used: {error}") from error
    return options.device


def _window(network: SentenceTransformer, options: Options) -> int:
    named = network.max_seq_length
    config = getattr(network[0], "config", None)
    positions = getattr(config, "max_position_embeddings", None)
    if options.n_ctx and positions and options.n_ctx > positions:
        raise LoadFailed(f"n_ctx: {options.n_ctx} is more than the model's {positions} positions.")
    sizes = [size for size in (named, positions) if size]
    if not options.n_ctx and not sizes:
        raise LoadFailed("The model does not say how many tokens it reads at once: set n_ctx.")
    return options.n_ctx or min(sizes)


def _prompt(network: SentenceTransformer, options: Options) -> str:
    name = network.default_prompt_name
    own = network.prompts.get(name) if name else None
    prompt = own if options.prompt is None else options.prompt
    if prompt and any(isinstance(m, Pooling) and not m.include_prompt for m in network):
        raise LoadFailed(
            "The model leaves its prompt out of the mean of the tokens, which cannot be honoured: "
            "set prompt to an empty text."
        )
    return str(prompt or "")
