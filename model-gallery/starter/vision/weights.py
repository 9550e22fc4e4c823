"""Reads the chat model back from its file."""

from pathlib import Path

import gguf
import torch
from chat.agreement import stored_tokenizer
from chat.model import Llama, Shape
from tokenizers import Tokenizer

INNER = {"attn_q": "attention", "attn_k": "attention", "attn_v": "attention"}
INNER |= {"attn_output": "attention"}
INNER |= dict.fromkeys(("ffn_gate", "ffn_up", "ffn_down"), "feed_forward")


def load_chat(path: Path) -> tuple[Llama, Tokenizer]:
    """Return model and tokenizer of a file that chat.train wrote."""
    tokenizer = stored_tokenizer(path)
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size()))
    tensors = gguf.GGUFReader(path).tensors
    model.load_state_dict({_name(tensor.name): _values(tensor) for tensor in tensors})
    return model, tokenizer


def _values(tensor: gguf.ReaderTensor) -> torch.Tensor:
    return torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())


def _name(name: str) -> str:
    if not name.startswith("blk."):
        return name
    _, layer, part, kind = name.split(".")
    return ".".join(["layers", layer, *([INNER[part]] if part in INNER else []), part, kind])
