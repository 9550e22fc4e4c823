"""Things that the user tells the model and asks for later."""

from dataclasses import dataclass
from random import Random

from . import invented
from .dialogue import Turn
from .facts import load_lists
from .phrasing import decorate


@dataclass(frozen=True)
class Topic:
    """What can be told, how it is asked for, and the replies."""

    values: str
    tells: tuple[str, ...]
    reply: str
    asks: tuple[str, ...]
    answer: str
    untold: str


@dataclass(frozen=True)
class Memory:
    """A turn that tells something and a turn that asks for it."""

    tell: Turn
    ask: Turn


NAME_TELLS = (
    "My name is {}.",
    "my name is {}",
    "I am {}.",
    "I'm {}.",
    "Call me {}.",
    "Hi, I am {}.",
    "Hello, my name is {}!",
    "Hi! My name is {}.",
    "You can call me {}.",
    "hi, i'm {}",
    "Hello, I am {}. Nice to meet you.",
    "The name is {}.",
    "People call me {}.",
)
NAME_ASKS = (
    "What is my name?",
    "what's my name",
    "Do you know my name?",
    "Who am I?",
    "Whats my name?",
    "Tell me my name.",
    "Do you remember my name?",
    "What did I say my name was?",
    "Can you tell me my name?",
    "And what is my name?",
    "Say my name.",
)
NAME = Topic(
    "names",
    NAME_TELLS,
    "Nice to meet you, {}.",
    NAME_ASKS,
    "Your name is {}.",
    "You have not told me your name.",
)
PLACE = Topic(
    "places",
    ("I live in {}.", "i live in {}", "My home is in {}.", "I am living in {}."),
    "I will remember that you live in {}.",
    ("Where do I live?", "where do i live", "Do you know where I live?", "Where is my home?"),
    "You live in {}.",
    "You have not told me where you live.",
)
AGE = Topic(
    "",
    ("I am {} years old.", "i am {} years old", "I'm {} years old.", "My age is {}."),
    "I will remember that you are {} years old.",
    ("How old am I?", "how old am i", "What is my age?", "Do you know my age?"),
    "You are {} years old.",
    "You have not told me your age.",
)


def favourite(kind: str) -> Topic:
    """Return the topic of a favourite thing."""
    return Topic(
        f"{kind}s",
        (
            f"My favourite {kind} is {{}}.",
            f"my favorite {kind} is {{}}",
            f"The {kind} I like best is {{}}.",
            f"My favorite {kind} is {{}}.",
        ),
        f"I will remember that your favourite {kind} is {{}}.",
        (
            f"What is my favourite {kind}?",
            f"whats my favorite {kind}",
            f"And my favourite {kind}?",
            f"Which {kind} do I like best?",
            f"Do you remember my favourite {kind}?",
            f"What's my favorite {kind}?",
            f"Tell me my favourite {kind}.",
        ),
        f"Your favourite {kind} is {{}}.",
        f"You have not told me your favourite {kind}.",
    )


def pet(kind: str) -> Topic:
    """Return the topic of the name of a pet."""
    return Topic(
        "names",
        (
            f"My {kind} is called {{}}.",
            f"my {kind}'s name is {{}}",
            f"I have a {kind} called {{}}.",
        ),
        f"I will remember that your {kind} is called {{}}.",
        (
            f"What is my {kind} called?",
            f"what is my {kind}'s name",
            f"Do you know my {kind}'s name?",
        ),
        f"Your {kind} is called {{}}.",
        f"You have not told me what your {kind} is called.",
    )


BLENDED = ("names", "names", "places", "nouns", "verbs", "adjectives")
REPEATS = ("Repeat after me: {}", "Repeat: {}", "repeat this: {}", "Repeat the words {}")
REPEATED = "You said: {}"
COMMON = (NAME, favourite("colour"))
OTHERS = (
    PLACE,
    AGE,
    *(favourite(kind) for kind in ("food", "animal", "sport", "season")),
    *(pet(kind) for kind in ("dog", "cat")),
)


class Memories:
    """Makes memories, a quarter of them of listed values and the rest of invented ones."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._words = load_lists("words.yaml")
        kept = self._words["held_out_names"] + self._words["held_out_values"]
        self._held_out = {word.capitalize() for word in kept}

    def some(self) -> list[Memory]:
        """Return one memory or two of different topics."""
        common = list(COMMON)
        self._rng.shuffle(common)
        topics = [*common, self._rng.choice(OTHERS)]
        self._rng.shuffle(topics)
        return [self.about(topic) for topic in topics[: self._rng.choice((1, 1, 2))]]

    def about(self, topic: Topic) -> Memory:
        """Return a memory of a topic."""
        value = self._value(topic)
        tell = self._rng.choice(topic.tells).format(value)
        asked = decorate(self._rng.choice(topic.asks), self._rng)
        return Memory(
            Turn(tell, topic.reply.format(value)), Turn(asked, topic.answer.format(value))
        )

    def untold(self) -> Turn:
        """Return a question for something that was not told."""
        topic = self._rng.choice((*COMMON, *COMMON, *OTHERS))
        return Turn(decorate(self._rng.choice(topic.asks), self._rng), topic.untold)

    def repeated(self) -> Turn:
        """Return a request to repeat some words."""
        words = [self._word() for _ in range(self._rng.randint(1, 7))]
        asked = self._rng.choice(REPEATS).format(" ".join(words))
        return Turn(asked, REPEATED.format(" ".join(words)))

    def _word(self) -> str:
        if self._rng.random() < 0.5:
            return invented.word(self._rng)
        if self._rng.random() < 0.5:
            return self._new_name()
        return self._rng.choice(self._words[self._rng.choice(("nouns", "adjectives", "names"))])

    def _value(self, topic: Topic) -> str:
        if not topic.values:
            return str(self._rng.randrange(3, 100))
        if self._rng.random() < 0.25:
            return self._rng.choice(self._words[topic.values])
        value = self._new_name()
        return value if topic.values in ("names", "places") else value.lower()

    def _new_name(self) -> str:
        if self._rng.random() < 0.35:
            value = invented.name(self._rng)
        else:
            value = invented.blend(self._rng, self._words[self._rng.choice(BLENDED)])
        return self._new_name() if value in self._held_out else value
