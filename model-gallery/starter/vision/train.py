"""Gives the starter chat model eyes: python -m vision.train.

First the encoder learns to tell scenes apart, then encoder and chat model learn together, from
pictures and text. Writes the projector and the chat model anew.
"""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import argparse
import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from chat.export import write_gguf
from chat.model import Llama
from chat.train import Batch
from torch import Tensor, nn
from torch.nn import functional

from .batches import Lessons, PictureBatch
from .export import write_projector
from .first_look import Glimpse, first_look, pixels_of
from .model import Eyes, EyesShape
from .say import say
from .teacher import Teacher
from .weights import load_chat

THREADS = 1
LOOK_SHARE = 0.2
PADDING = 0
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Round:
    """Steps of the joint training; the rates fall to nothing in each round.

    The shares are those of the learning rates. With `keeps` the chat model also learns to write
    texts as it did before it saw pictures; `long` is the share of pictures that are far from
    square.
    """

    steps: int
    picture_tokens: int
    text_tokens: int
    eyes_share: float
    chat_share: float
    copying_first: int = 0
    keeps: bool = False
    long: float = 0.0


ROUNDS = (
    Round(1000, 2048, 1024, eyes_share=0.4, chat_share=0.6),
    Round(500, 1536, 2048, eyes_share=0.15, chat_share=0.35, copying_first=4000, keeps=True),
    Round(500, 2048, 1536, eyes_share=0.3, chat_share=0.3, keeps=True, long=0.5),
)


class Seer(nn.Module):
    """The chat model with eyes; `mark` is the token that stands where a picture goes."""

    def __init__(self, chat: Llama, eyes: Eyes, glimpse: Glimpse, mark: int) -> None:
        super().__init__()
        self.chat = chat
        self.eyes = eyes
        self.glimpse = glimpse
        self.mark = mark

    def text_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch without pictures."""
        return functional.cross_entropy(self.chat(batch.ids, batch.wanted), batch.targets)

    def kept_loss(self, batch: Batch, before: Llama) -> Tensor:
        """Return the loss of a batch without pictures and the distance to another model."""
        filled = batch.ids != PADDING
        scores = self.chat(batch.ids, filled)
        with torch.no_grad():
            expected = before(batch.ids, filled).log_softmax(dim=-1)
        distance = functional.kl_div(
            scores.log_softmax(dim=-1), expected, log_target=True, reduction="batchmean"
        )
        return distance + functional.cross_entropy(scores[batch.wanted[filled]], batch.targets)

    def picture_loss(self, batch: PictureBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch with pictures, without and with that of the encoder alone."""
        words, given = batch.words, self.eyes.layers(pixels_of(batch.looks))
        seen = self.eyes.project(given[-1])
        places = (words.ids == self.mark)[..., None]
        hidden = self.chat.token_embd(words.ids).masked_scatter(places, seen)
        said = functional.cross_entropy(self.chat.read(hidden, words.wanted), words.targets)
        return said, said + LOOK_SHARE * self.glimpse.loss(seen, given, batch.looks)


def learn(seer: Seer, before: Llama, lessons: Lessons, plan: Round) -> None:
    """Train both parts for a round, each step of a batch with pictures and one without."""
    seeing = nn.ModuleDict({"eyes": seer.eyes, "glimpse": seer.glimpse})
    teachers = [
        Teacher(seeing, plan.steps, plan.eyes_share),
        Teacher(seer.chat, plan.steps, plan.chat_share),
    ]
    texts, pictures = lessons.texts(plan.text_tokens), lessons.pictures(plan.picture_tokens)
    began = time.monotonic()
    for step in range(plan.steps):
        said, loss = seer.picture_loss(next(pictures))
        torch.autograd.backward(loss)
        batch = next(texts)
        text = seer.kept_loss(batch, before) if plan.keeps else seer.text_loss(batch)
        torch.autograd.backward(text)
        for teacher in teachers:
            teacher.step()
        if step % 50 == 0 or step == plan.steps - 1:
            spent = time.monotonic() - began
            say(f"step {step} pictures {said.item():.4f} text {text.item():.4f} {spent:.0f} s")


def train(chat: Path, out: Path, seed: int) -> None:
    """Read the chat model, train, and write both files."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    model, tokenizer = load_chat(chat)
    eyes = Eyes(EyesShape())
    glimpse = Glimpse(eyes.shape)
    say(f"{sum(weight.numel() for weight in eyes.parameters())} parameters in the eyes")
    first_look(eyes, glimpse, seed)
    before = copy.deepcopy(model)
    for number, plan in enumerate(ROUNDS):
        lessons = Lessons(
            tokenizer, eyes.shape.tokens, seed + number, plan.copying_first, plan.long
        )
        learn(Seer(model, eyes, glimpse, lessons.encoder.mark), before, lessons, plan)
    write_projector(out, eyes)
    write_gguf(chat, model, tokenizer)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    chat = HERE.parent / "chat" / "starter-chat.gguf"
    out = HERE / "starter-chat-mmproj.gguf"
    parser.add_argument("--chat", type=Path, default=chat, help="file of chat.train, rewritten")
    parser.add_argument("--out", type=Path, default=out, help="projector file to write")
    parser.add_argument("--seed", type=int, default=1, help="seed of pictures, text and training")
    chosen = parser.parse_args()
    train(chosen.chat, chosen.out, chosen.seed)


if __name__ == "__main__":
    main()
