"""The second stage: the text encoder learns what the prompts tell."""

from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional

from .learning import Learner, half_cosine
from .model import TEXT_WIDTH, TextEncoder, TextTokenizer, text_encoder
from .prompts import SIZES, Told, prompt
from .scenes import Scenes

BATCH = 64
RATE = 2e-3


def train_text_encoder(tokenizer: TextTokenizer, steps: int, seed: int) -> TextEncoder:
    """Return a text encoder from whose states count, colour, shape and background follow."""
    torch.manual_seed(seed)
    random = Random(seed)
    scenes = Scenes(random)
    model = text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    heads = nn.ModuleList(nn.Linear(TEXT_WIDTH, size) for size in SIZES)
    weights = [*model.parameters(), *heads.parameters()]
    learner = Learner(weights, RATE, half_cosine(steps, 30))
    for _ in range(steps):
        told = [prompt(scenes.next(), random) for _ in range(BATCH)]
        ids = token_ids(tokenizer, [one.text for one in told])
        states = model(ids).last_hidden_state
        after = states[ids == tokenizer.eos_token_id]
        rows = (ids == tokenizer.eos_token_id).sum(dim=1)
        wanted = _classes(told).repeat_interleave(rows, dim=0)
        losses = [
            functional.cross_entropy(head(after), wanted[:, number])
            for number, head in enumerate(heads)
        ]
        learner.step(torch.stack(losses).mean())
    return model


def token_ids(tokenizer: TextTokenizer, texts: list[str]) -> Tensor:
    """Return the ids of texts, [number, TEXT_LENGTH], padded as the pipeline pads them."""
    ids: Tensor = tokenizer(
        texts, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    return ids


def _classes(told: list[Told]) -> Tensor:
    return torch.tensor([[one.count, one.colour, one.shape, one.background] for one in told])
