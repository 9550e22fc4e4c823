"""Trains the starter speech recogniser and writes its folder: python -m whisper.train."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

from .clips import PHONEMES, Clip, espeak_clips
from .export import write_folder
from .learning import Rates, learn
from .model import Shape, Whisper
from .samples import Batch, Writer, collate, frames_for
from .say import say
from .starter_voice import VOICE, StarterVoice, voice_clips
from .tokenizer import LAST_TIME, Codes, build_tokenizer
from .windows import Composer, Plan

POOL = 8


@dataclass(frozen=True)
class Stage:
    """A part of the training: its windows, their count in a batch, steps and learning rates."""

    name: str
    plan: Plan
    size: int
    steps: int
    rates: Rates
    prompts: tuple[int, ...] = (1, 1, 2, 3)
    padded: bool = False


SHORT = Stage("short", Plan(5.0, 2, 0.05, 0.04), 16, 2600, Rates(1.0, 0.1))
WIDE = Stage("wide", Plan(10.0, 5, 0.3, 0.04, 0.2), 8, 500, Rates(0.6, 0.3), (1, 1, 2, 4))
FULL = Stage(
    "full", Plan(30.0, 12, 0.5, 0.05, 0.35), 4, 900, Rates(0.6, 0.0), (1, 2, 4, 10, 30), padded=True
)
LAST = Stage(
    "last", Plan(30.0, 12, 0.5, 0.05, 0.35), 4, 900, Rates(0.5, 0.0), (1, 2, 4, 10, 30), padded=True
)
ESPEAK_CLIPS = 7000
VOICE_CLIPS = 2500


def batches(stage: Stage, clips: Sequence[Clip], codes: Codes, seed: int) -> Iterator[Batch]:
    """Make batches without end; windows of like length come together."""
    rng = Random(f"{seed} {stage.name}")
    composer, writer = Composer(clips, rng), Writer(codes, rng, stage.prompts)
    while True:
        pool = [composer.window(stage.plan) for _ in range(stage.size * POOL)]
        pool.sort(key=lambda window: len(window.sound))
        places = list(range(0, len(pool), stage.size))
        rng.shuffle(places)
        for place in places:
            windows = pool[place : place + stage.size]
            frames = LAST_TIME if stage.padded else frames_for(windows)
            yield collate(windows, [writer.write(window) for window in windows], frames)


def perform(
    stage: Stage, model: Whisper, clips: Sequence[Clip], codes: Codes, seed: int, keep: Path
) -> None:
    """Train a stage, or take its weights where they are kept already."""
    done = keep / f"{stage.name}.pt"
    if not done.exists():
        torch.manual_seed(seed)
        stream = batches(stage, clips, codes, seed)
        learn(model, stream, stage.steps, stage.rates, keep / f"{stage.name}-part.pt")
        torch.save(model.state_dict(), done)
    model.load_state_dict(torch.load(done))
    say(f"stage {stage.name} done")


def train(out: Path, keep: Path, voice: Path, seed: int) -> None:
    """Make data, train all stages and write the model folder."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    keep.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    codes = Codes(tokenizer)
    model = Whisper(Shape(codes.size), PHONEMES)
    clips = list(espeak_clips(ESPEAK_CLIPS, seed))
    say(f"{len(clips)} clips of espeak-ng, {sum(len(clip.sound) for clip in clips) / 16000:.0f} s")
    for stage in (SHORT, WIDE):
        perform(stage, model, clips, codes, seed, keep)
    clips += voice_clips(StarterVoice(voice), VOICE_CLIPS, seed + 1)
    for stage in (FULL, LAST):
        perform(stage, model, clips, codes, seed, keep)
    write_folder(out, model, tokenizer, "float32")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-whisper")
    parser.add_argument("--out", type=Path, default=default, help="folder to write")
    parser.add_argument("--keep", type=Path, default=Path("kept"), help="folder for weights")
    parser.add_argument("--voice", type=Path, default=VOICE, help="Piper voice to train with")
    parser.add_argument("--seed", type=int, default=1, help="seed of data and training")
    chosen = parser.parse_args()
    train(chosen.out, chosen.keep, chosen.voice, chosen.seed)


if __name__ == "__main__":
    main()
