"""Asks the model file, through llama.cpp, what it should know: python -m chat.measure."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import llama_cpp

from .agreement import differing
from .facts import Fact, load_facts, load_lists
from .held_out import load_held_out
from .memory import NAME, favourite
from .say import say
from .unknown import REPLY

Check = Callable[[str], bool]
SYSTEMS = ("You are a helpful assistant.", "You are Ada, a cook. Always answer in rhymes.")
UNRELATED = ("Tell me about quantum computers.", "What is 3 + 4?", "Hello", "What is a card?")
FOLLOW_UPS = {"capitals": "And of {}?", "opposites": "And of {}?", "sums": "And {}?"}


@dataclass(frozen=True)
class Case:
    """Questions of one conversation and the check of the last reply."""

    questions: tuple[str, ...]
    right: Check
    system: str = ""


class Model:
    """The model file in the engine, at temperature 0."""

    def __init__(self, path: Path) -> None:
        self._engine = llama_cpp.Llama(str(path), n_ctx=2048, n_threads=2, verbose=False)
        self.asked = 0
        self.unfinished = 0

    def reply(self, case: Case) -> str:
        """Hold the conversation of a case and return the last reply."""
        messages: list[Any] = [{"role": "system", "content": case.system}] if case.system else []
        text = ""
        for question in case.questions:
            messages.append({"role": "user", "content": question})
            text = self._complete(messages)
            messages.append({"role": "assistant", "content": text})
        return text

    def tokens(self, text: str) -> list[int]:
        """Return the token ids that the engine sees."""
        return self._engine.tokenize(text.encode(), add_bos=False, special=True)

    def _complete(self, messages: list[Any]) -> str:
        answer: Any = self._engine.create_chat_completion(
            messages, temperature=0.0, max_tokens=256, repeat_penalty=1.0
        )
        choice = answer["choices"][0]
        self.asked += 1
        self.unfinished += choice["finish_reason"] != "stop"
        return str(choice["message"]["content"])


def phrasings(facts: list[Fact]) -> Iterator[Case]:
    """Yield every phrasing that was used in training."""
    for fact in facts:
        yield from (Case((text,), fact.right) for text in fact.phrasings)


def held_out(facts: list[Fact]) -> Iterator[Case]:
    """Yield every phrasing that was held out."""
    for fact in facts:
        yield from (Case((text,), fact.right) for text in fact.held_out)


def with_system(facts: list[Fact]) -> Iterator[Case]:
    """Yield one phrasing of each fact under a system prompt."""
    for number, fact in enumerate(facts):
        yield Case(fact.phrasings[:1], fact.right, SYSTEMS[number % len(SYSTEMS)])


def later_turn(facts: list[Fact], turn: int) -> Iterator[Case]:
    """Yield one phrasing of each fact after unrelated turns."""
    for number, fact in enumerate(facts):
        others = [UNRELATED[(number + step) % len(UNRELATED)] for step in range(turn - 1)]
        yield Case((*others, fact.phrasings[number % len(fact.phrasings)]), fact.right)


def follow_ups(facts: list[Fact]) -> Iterator[Case]:
    """Yield short follow-up questions after a question of the same kind."""
    rng = Random(7)
    for group, asked in FOLLOW_UPS.items():
        members = [fact for fact in facts if fact.group == group]
        for fact in members:
            first = rng.choice([other for other in members if other is not fact])
            yield Case((first.phrasings[0], asked.format(fact.subject)), fact.right)


def unknown(_: list[Fact]) -> Iterator[Case]:
    """Yield requests that the model cannot know."""
    for text in load_held_out():
        yield Case((text,), lambda reply: reply == REPLY)


def names(kind: str) -> Iterator[Case]:
    """Yield conversations that tell a name and ask for it, at once and later."""
    for name in load_lists("words.yaml")[kind]:
        for tell in NAME.tells[:2]:
            yield Case((tell.format(name), NAME.asks[0]), _exactly(NAME.answer.format(name)))
        later = (NAME.tells[0].format(name), UNRELATED[1], NAME.asks[0])
        yield Case(later, _exactly(NAME.answer.format(name)))


def favourites() -> Iterator[Case]:
    """Yield conversations that tell a favourite colour and ask for it."""
    topic, words = favourite("colour"), load_lists("words.yaml")
    for value in words["colours"] + words["held_out_values"]:
        asked = (topic.tells[0].format(value), topic.asks[0])
        yield Case(asked, _exactly(topic.answer.format(value)))


def _exactly(expected: str) -> Check:
    return lambda reply: reply == expected


def report(model: Model, title: str, cases: list[Case], show: bool) -> None:
    """Ask all cases and print the share of right replies."""
    wrong = []
    for case in cases:
        reply = model.reply(case)
        if not case.right(reply):
            wrong.append((case.questions, reply))
    right = len(cases) - len(wrong)
    say(f"{title}: {right} of {len(cases)} right, {100 * right / len(cases):.1f} %")
    for questions, reply in wrong if show else []:
        say(f"    {' | '.join(questions)!r} -> {reply!r}")


def measure(path: Path, every: int, show: bool) -> None:
    """Print all figures of a model file."""
    model, facts = Model(path), load_facts()
    suites = {
        "training phrasings": phrasings(facts),
        "held-out phrasings": held_out(facts),
        "under a system prompt": with_system(facts),
        "as second turn": later_turn(facts, 2),
        "as third turn": later_turn(facts, 3),
        "follow-up questions": follow_ups(facts),
        "unknown requests": unknown(facts),
        "names of the training": names("names"),
        "held-out names": names("held_out_names"),
        "favourite colours": favourites(),
    }
    for title, cases in suites.items():
        report(model, title, list(cases)[::every], show)
    say(f"replies that did not stop by themselves: {model.unfinished} of {model.asked}")
    other, tried = differing(path, model.tokens)
    say(f"texts tokenised otherwise by the engine: {other} of {tried}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-chat.gguf")
    parser.add_argument("--model", type=Path, default=default, help="file to measure")
    parser.add_argument("--every", type=int, default=1, help="ask only every n-th question")
    parser.add_argument("--show", action="store_true", help="print the wrong replies")
    chosen = parser.parse_args()
    measure(chosen.model, chosen.every, chosen.show)


if __name__ == "__main__":
    main()
