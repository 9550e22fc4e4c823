"""Gives the starter chat model eyes: python -m vision.train.

First the encoder learns to tell scenes apart, then encoder and chat model learn together, from
pictures and text. Writes the projector and the chat model anew.
"""

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import argparse
import time
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
STEPS = [550, 700]
EYES_SHARE = 0.6
CHAT_SHARE = 0.4
LOOK_SHARE = 0.2
HERE = Path(__file__).parent


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

    def picture_loss(self, batch: PictureBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch with pictures and a share of that of the encoder alone."""
        words, given = batch.words, self.eyes.layers(pixels_of(batch.looks))
        seen = self.eyes.project(given[-1])
        places = (words.ids == self.mark)[..., None]
        hidden = self.chat.token_embd(words.ids).masked_scatter(places, seen.float())
        said = functional.cross_entropy(self.chat.read(hidden, words.wanted), words.targets)
        return said, said + LOOK_SHARE * self.glimpse.loss(seen, given, batch.looks)


def learn(seer: Seer, lessons: Lessons, steps: int) -> None:
    """Train both parts for some steps, each of a batch with pictures and one without."""
    seeing = nn.ModuleDict({"eyes": seer.eyes, "glimpse": seer.glimpse})
    teachers = [Teacher(seeing, steps, EYES_SHARE), Teacher(seer.chat, steps, CHAT_SHARE)]
    texts, pictures = lessons.texts(), lessons.pictures()
    began = time.monotonic()
    for step in range(steps):
        said, loss = seer.picture_loss(next(pictures))
        torch.autograd.backward(loss)
        text = seer.text_loss(next(texts))
        torch.autograd.backward(text)
        for teacher in teachers:
            teacher.step()
        if step % 50 == 0 or step == steps - 1:
            spent = time.monotonic() - began
            say(f"step {step} pictures {said.item():.4f} text {text.item():.4f} {spent:.0f} s")


def train(chat: Path, out: Path, looks: int, steps: list[int], seed: int) -> None:
    """Read the chat model, train, and write both files."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    model, tokenizer = load_chat(chat)
    eyes = Eyes(EyesShape())
    glimpse = Glimpse(eyes.shape)
    say(f"{sum(weight.numel() for weight in eyes.parameters())} parameters in the eyes")
    first_look(eyes, glimpse, looks, seed)
    for round_number, count in enumerate(steps):
        lessons = Lessons(tokenizer, eyes.shape.tokens, seed + round_number)
        learn(Seer(model, eyes, glimpse, lessons.encoder.mark), lessons, count)
    write_projector(out, eyes)
    write_gguf(chat, model, tokenizer)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    chat = HERE.parent / "chat" / "starter-chat.gguf"
    out = HERE / "starter-chat-mmproj.gguf"
    parser.add_argument("--chat", type=Path, default=chat, help="file of chat.train, rewritten")
    parser.add_argument("--out", type=Path, default=out, help="projector file to write")
    parser.add_argument("--looks", type=int, default=2000, help="steps of the encoder alone")
    parser.add_argument(
        "--steps",
        type=int,
        nargs="+",
        default=STEPS,
        help="steps of both together, for each round of high to low learning rates",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of pictures, text and training")
    chosen = parser.parse_args()
    train(chosen.chat, chosen.out, chosen.looks, chosen.steps, chosen.seed)


if __name__ == "__main__":
    main()
