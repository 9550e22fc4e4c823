"""Shows held-out pictures to the model, through llama.cpp: python -m vision.measure."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from .cases import SYSTEM, Case, Cases, saved
from .engine import Engine
from .questions import CHANCES
from .say import say

HERE = Path(__file__).parent
SIDES = (16, 24, 32, 48, 64, 96, 128, 224, 512, 1024, 2048)
CANVASES = ((640, 480), (480, 640), (300, 900), (900, 300), (1920, 1080))
HELD_OUT_KINDS = ("describe", "colour", "shape", "count", "ground")


def suites(cases: Cases) -> Iterator[tuple[str, Iterable[Case]]]:
    """Yield the title and the cases of each figure."""
    for side in SIDES:
        yield f"{side} x {side} px", cases.squares(side)
    for width, height in CANVASES:
        yield f"{width} x {height} px", cases.canvases(width, height)
    yield "640 x 480 px, small and turned shapes", cases.canvases(640, 480, 1.0)
    yield "turned up to 20 degrees", cases.squares(224, 20.0)
    yield "JPEG, quality 75", cases.files(saved("JPEG", quality=75))
    yield "WebP, quality 75", cases.files(saved("WEBP", quality=75))
    yield "GIF", cases.files(saved("GIF"))
    yield "RGBA", cases.files(lambda image: image.convert("RGBA"))
    yield "RGBA, shapes on nothing", cases.see_through()
    yield "one channel, grey", cases.greys()
    yield "blurred, noisy, small or packed", cases.worn_out()
    for kind in CHANCES:
        yield f"question: {kind}", cases.asked(kind)
    for kind in HELD_OUT_KINDS:
        yield f"held-out words: {kind}", cases.held_out(kind)
    yield "under a system prompt", cases.asked("describe", SYSTEM)
    yield "second question about a picture", cases.second_turn()
    yield "another picture in the second turn", cases.another_picture()
    yield "two pictures in one message", cases.two_pictures()
    yield "no picture", cases.blind()


def report(engine: Engine, title: str, cases: Iterable[Case], show: bool) -> Counter[bool]:
    """Ask all cases and print the share of right replies."""
    wrong, tally = [], Counter[bool]()
    for case in cases:
        reply = engine.reply(case.messages, case.images)
        tally[reply == case.right] += 1
        if reply != case.right:
            wrong.append(f"    {case.about!r} {case.right!r} -> {reply!r}")
    say(f"{title}: {tally[True]} of {tally.total()}, {100 * tally[True] / tally.total():.1f} %")
    for line in wrong if show else []:
        say(line)
    return tally


def measure(chat: Path, projector: Path, count: int, show: bool) -> None:
    """Print all figures of the two files."""
    engine = Engine(chat, projector)
    total = Counter[bool]()
    for title, cases in suites(Cases(7, count)):
        total += report(engine, title, cases, show)
    say(f"all: {total[True]} of {total.total()}, {100 * total[True] / total.total():.1f} %")
    say(f"replies that did not stop by themselves: {engine.unfinished}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    chat = HERE.parent / "chat" / "starter-chat.gguf"
    projector = HERE / "starter-chat-mmproj.gguf"
    parser.add_argument("--chat", type=Path, default=chat, help="chat model")
    parser.add_argument("--projector", type=Path, default=projector, help="projector")
    parser.add_argument("--count", type=int, default=200, help="pictures for each figure")
    parser.add_argument("--show", action="store_true", help="print the wrong replies")
    chosen = parser.parse_args()
    measure(chosen.chat, chosen.projector, chosen.count, chosen.show)


if __name__ == "__main__":
    main()
