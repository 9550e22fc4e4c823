"""Trains the starter speech recogniser and writes its folder: python -m whisper.train."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
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
class Kind:
    """A kind of batches: seed, windows, their count, sentences of prompts, turns in a stage.

    Shares: prompted is of windows with a prompt, slips of words that are fed wrong.
    """

    name: str
    plan: Plan
    size: int
    prompts: tuple[int, ...]
    padded: bool = False
    turns: int = 1
    prompted: float = 0.25
    slips: float = 0.0


@dataclass(frozen=True)
class Stage:
    """A part of the training: kinds of batches that take turns, steps and learning rates.

    At last the attention to the frames of a word is made even.
    """

    name: str
    steps: int
    rates: Rates
    kinds: tuple[Kind, ...]
    even: bool = False


LONG_PROMPTS = (1, 2, 4, 10, 30)
TO_THE_END = Plan(30.0, 12, 0.5, 0.05, 0.35)

SHORT = Stage(
    "short", 2600, Rates(1.0, 0.1), (Kind("short", Plan(5.0, 2, 0.05, 0.04), 16, (1, 1, 2, 3)),)
)
WIDE = Stage(
    "wide", 500, Rates(0.6, 0.3), (Kind("wide", Plan(10.0, 5, 0.3, 0.04, 0.2), 8, (1, 1, 2, 4)),)
)
FULL = Stage("full", 900, Rates(0.6, 0.0), (Kind("full", TO_THE_END, 4, LONG_PROMPTS, True),))
MIXED = Stage(
    "mixed",
    3000,
    Rates(1.0, 0.0),
    (
        Kind("last short", Plan(6.0, 3, 0.1, 0.04, 0.4), 16, (1, 1, 2, 3), turns=5),
        Kind("last full", TO_THE_END, 4, LONG_PROMPTS, padded=True),
    ),
)
FREE = Stage(
    "free",
    2700,
    Rates(0.6, 0.0),
    (
        Kind(
            "free short",
            Plan(6.0, 3, 0.1, 0.04, 0.5, spliced=0.5),
            16,
            (1, 1, 2, 3),
            turns=4,
            slips=0.05,
        ),
        Kind(
            "free full",
            replace(TO_THE_END, spliced=0.4),
            4,
            (1, 3, 10, 30, 30),
            padded=True,
            turns=2,
            prompted=0.5,
            slips=0.03,
        ),
    ),
    even=True,
)
ESPEAK_CLIPS = 7000
VOICE_CLIPS = 2500


def batches(kind: Kind, clips: Sequence[Clip], codes: Codes, seed: int) -> Iterator[Batch]:
    """Make batches of a kind without end; windows of like length come together."""
    rng = Random(f"{seed} {kind.name}")
    composer, writer = (
        Composer(clips, rng),
        Writer(codes, rng, kind.prompts, kind.prompted, kind.slips),
    )
    while True:
        pool = [composer.window(kind.plan) for _ in range(kind.size * POOL)]
        pool.sort(key=lambda window: len(window.sound))
        places = list(range(0, len(pool), kind.size))
        rng.shuffle(places)
        for place in places:
            windows = pool[place : place + kind.size]
            frames = LAST_TIME if kind.padded else frames_for(windows)
            yield collate(windows, [writer.write(window) for window in windows], frames)


def take_turns(stage: Stage, streams: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Yield batches of the kinds of a stage, each as often as it has turns."""
    while True:
        for kind, stream in zip(stage.kinds, streams, strict=True):
            yield from islice(stream, kind.turns)


def perform(
    stage: Stage, model: Whisper, clips: Sequence[Clip], codes: Codes, seed: int, keep: Path
) -> None:
    """Train a stage, or take its weights where they are kept already."""
    done = keep / f"{stage.name}.pt"
    if not done.exists():
        torch.manual_seed(seed)
        streams = [batches(kind, clips, codes, seed) for kind in stage.kinds]
        learn(
            model,
            take_turns(stage, streams),
            stage.steps,
            stage.rates,
            stage.even,
            keep / f"{stage.name}-part.pt",
        )
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
    for stage in (FULL, MIXED, FREE):
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
