"""Trains the starter voice and writes its two files: python -m voice.train."""

import argparse
import math
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from .batches import Batch, batches
from .export import write_voice
from .likeness import lend
from .model import Acoustic
from .recordings import Recording, recordings
from .say import say
from .shape import BANDS
from .speakers import SPEAKERS

THREADS = 1
SENTENCES = 3600
STEPS = 2000
RATE = 0.002
WARM_UP = 100


def losses(model: Acoustic, batch: Batch) -> dict[str, Tensor]:
    """Return the weighted mean errors of loudness, noise, pitch and length."""
    hidden, lengths = model.encode(batch.ids, batch.speaker, batch.id_mask)
    index = batch.owners.unsqueeze(2).expand(-1, -1, hidden.shape[2])
    features = model.decode(hidden.gather(1, index), batch.places, batch.mask)
    error = (features - batch.features).abs() * batch.mask
    frames = batch.mask.sum()
    voiced = (batch.features[:, :, BANDS] < 1.0).float() * 0.9 + 0.1
    off = (lengths - batch.lengths.log1p()).abs() * batch.id_mask.squeeze(2)
    return {
        "loudness": error[:, :, :BANDS].mean(dim=2).sum() / frames,
        "noise": error[:, :, BANDS:-1].mean(dim=2).sum() / frames,
        "pitch": 5.0 * (error[:, :, -1] * voiced).sum() / frames,
        "length": 0.5 * off.sum() / batch.id_mask.sum(),
    }


def rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a warm-up, then a half cosine to nothing."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def learn(model: Acoustic, data: list[Recording], steps: int, seed: int) -> None:
    """Train the model for some steps."""
    adam = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: rate(step, steps))
    began = time.monotonic()
    sums: dict[str, float] = {}
    for step, batch in enumerate(islice(batches(data, seed), steps)):
        parts = losses(model, batch)
        model.zero_grad()
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        schedule.step()
        for name, value in parts.items():
            sums[name] = 0.98 * sums.get(name, value.item()) + 0.02 * value.item()
        if step % 50 == 0 or step == steps - 1:
            shown = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
            say(f"step {step} {shown} {time.monotonic() - began:.0f} s")


def train(path: Path, sentences: int, steps: int, seed: int) -> None:
    """Make recordings, train from the seed and write the voice."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    began = time.monotonic()
    data = list(islice(recordings(seed), sentences))
    frames = sum(len(item.features) for item in data)
    say(f"{len(data)} recordings, {frames} frames, {time.monotonic() - began:.0f} s")
    model = Acoustic(len(SPEAKERS))
    say(f"{sum(weight.numel() for weight in model.parameters())} parameters")
    learn(model, data, steps, seed)
    lend(model.symbols.weight, {symbol for item in data for symbol in item.ids})
    write_voice(path, model)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-voice.onnx")
    parser.add_argument("--out", type=Path, default=default, help="file to write")
    parser.add_argument("--sentences", type=int, default=SENTENCES, help="recordings to make")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    parser.add_argument("--seed", type=int, default=1, help="seed of text and training")
    chosen = parser.parse_args()
    train(chosen.out, chosen.sentences, chosen.steps, chosen.seed)


if __name__ == "__main__":
    main()
