"""Trains the starter chat model and writes its file: python -m chat.train."""

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from .corpus import Corpus, tokenizer_texts
from .export import write_gguf
from .model import Llama, Shape
from .say import say
from .tokenizer import ConversationEncoder, Sample, train_tokenizer

VOCABULARY = 2048
THREADS = 2
BATCH_TOKENS = 3072
POOL = 2000
MATRIX_RATE = 0.006
OTHER_RATE = 0.003
WARM_UP = 40
COPYING_FIRST = 16000


@dataclass(frozen=True)
class Batch:
    """Padded token ids and the places whose next token is learned."""

    ids: Tensor
    wanted: Tensor
    targets: Tensor


def pack(samples: list[Sample]) -> Batch:
    """Pad samples to one length."""
    length = max(len(sample.ids) for sample in samples)
    ids = torch.zeros(len(samples), length, dtype=torch.long)
    learned = torch.zeros(len(samples), length, dtype=torch.bool)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        learned[row, : len(sample.ids)] = torch.tensor(sample.learned)
    wanted = learned[:, 1:]
    return Batch(ids[:, :-1], wanted, ids[:, 1:][wanted])


def group(samples: list[Sample], most: int = BATCH_TOKENS) -> Iterator[list[Sample]]:
    """Put samples of like length together, as many as fit into a batch of `most` tokens."""
    chosen: list[Sample] = []
    for sample in sorted(samples, key=lambda item: len(item.ids)):
        if chosen and (len(chosen) + 1) * len(sample.ids) > most:
            yield chosen
            chosen = []
        chosen.append(sample)
    yield chosen


def batches(corpus: Corpus, encoder: ConversationEncoder, seed: int) -> Iterator[Batch]:
    """Make batches without end."""
    order = random.Random(seed)
    while True:
        samples = encoder.encode([corpus.conversation() for _ in range(POOL)])
        groups = list(group(samples))
        order.shuffle(groups)
        yield from (pack(chosen) for chosen in groups)


def optimizers(model: Llama) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and Adam for all the rest."""
    matrices = [weight for weight in model.layers.parameters() if weight.ndim == 2]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    muon = torch.optim.Muon(
        matrices, lr=MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    return [muon, adam]


def rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a warm-up, then a half cosine to nothing."""
    progress = step / steps
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * progress))


def learn(model: Llama, stream: Iterator[Batch], steps: int) -> None:
    """Train the model for some steps."""
    chosen = optimizers(model)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
        for optimizer in chosen
    ]
    began, seen = time.monotonic(), 0
    for step in range(steps):
        batch = next(stream)
        loss = functional.cross_entropy(model(batch.ids, batch.wanted), batch.targets)
        model.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(chosen, schedules, strict=True):
            optimizer.step()
            schedule.step()
        seen += batch.ids.numel()
        if step % 50 == 0 or step == steps - 1:
            spent = time.monotonic() - began
            say(f"step {step} loss {loss.item():.4f} tokens {seen} {spent:.0f} s")


def train(path: Path, steps: int, seed: int) -> None:
    """Train tokenizer and model from the seed and write the file."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(tokenizer_texts(seed), VOCABULARY)
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size()))
    say(f"{sum(weight.numel() for weight in model.parameters())} parameters")
    stream = batches(Corpus(seed, COPYING_FIRST), ConversationEncoder(tokenizer), seed)
    learn(model, stream, steps)
    write_gguf(path, model, tokenizer)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-chat.gguf")
    parser.add_argument("--out", type=Path, default=default, help="file to write")
    parser.add_argument("--steps", type=int, default=2000, help="training steps")
    parser.add_argument("--seed", type=int, default=1, help="seed of text and training")
    chosen = parser.parse_args()
    train(chosen.out, chosen.steps, chosen.seed)


if __name__ == "__main__":
    main()
