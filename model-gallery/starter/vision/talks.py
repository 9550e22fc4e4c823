"""Conversations about pictures, among them turns that have nothing to do with a picture."""

from dataclasses import dataclass
from random import Random

from chat.corpus import Corpus
from chat.dialogue import Conversation, Turn
from chat.phrasing import vary
from pictures.phrasing import caption
from pictures.scene import Scene

from .first_look import some_scene
from .questions import NO_IMAGE, Questions, description, sentence

MEDIA = "<__media__>"
TOGETHER = (
    "What is in these images?",
    "What's in these images?",
    "What is in these pictures?",
    "Describe these images.",
    "Describe the images.",
    "Describe both pictures.",
    "What do you see?",
    "What do you see in these images?",
    "What do these pictures show?",
    "What are these?",
    "What is in the two images?",
    "What can you see in these photos?",
)
ORDINALS = (("first", "1st", "first"), ("second", "2nd", "last"))
ONE_OF = (
    "What is in the {} image?",
    "What is in the {} picture?",
    "What does the {} image show?",
    "Describe the {} picture.",
    "And the {} one?",
)
AGAIN = ("And this one?", "And this?", "And now?", "What about this one?", "And in this image?")


@dataclass(frozen=True)
class Talk:
    """A conversation and, for each media marker in it, the scene of that picture."""

    conversation: Conversation
    scenes: tuple[Scene, ...]


class Talks:
    """Makes conversations by seed."""

    def __init__(self, corpus: Corpus, random: Random) -> None:
        self._corpus = corpus
        self._random = random
        self._questions = Questions(random)

    def talk(self) -> Talk:
        """Return a conversation with one picture or two."""
        chance = self._random.random()
        if chance < 0.84:
            return self._about_one()
        return self._about_two() if chance < 0.92 else self._one_by_one()

    def blind(self) -> Conversation:
        """Return a conversation that asks for a picture where there is none."""
        asked = self._varied(self._questions.open(named=True))
        before = self._corpus.fillers(self._random.choice((0, 0, 0, 1)))
        return Conversation(self._corpus.system(), (*before, Turn(asked, NO_IMAGE)))

    def _about_one(self) -> Talk:
        scene = some_scene(self._random)
        first = Turn(self._beside(1, self._question(scene)), self._reply)
        if self._random.random() < 0.06:
            filler = self._corpus.fillers(1)[0]
            first = Turn(self._beside(1, filler.question), filler.reply)
        before = self._corpus.fillers(1) if self._random.random() < 0.08 else []
        return self._finish([*before, first, *self._more(scene)], (scene,))

    def _about_two(self) -> Talk:
        scenes = (some_scene(self._random), some_scene(self._random))
        asked, reply = self._of_two(scenes)
        turns = [Turn(self._beside(2, asked), reply)]
        more = self._random.choice((0, 0, 0, 1))
        turns += [Turn(*self._of_two(scenes)) for _ in range(more)]
        return self._finish(turns, scenes)

    def _of_two(self, scenes: tuple[Scene, ...]) -> tuple[str, str]:
        if self._random.random() < 0.6:
            return self._varied(self._random.choice(TOGETHER)), both(scenes)
        place = self._random.randrange(2)
        asked = self._random.choice(ONE_OF).format(self._random.choice(ORDINALS[place]))
        return self._varied(asked), description(scenes[place])

    def _one_by_one(self) -> Talk:
        """Show a picture, then another one in a later turn."""
        scenes = (some_scene(self._random), some_scene(self._random))
        turns = [Turn(self._beside(1, self._question(scenes[0])), self._reply)]
        turns += self._more(scenes[0])[:1]
        if self._random.random() < 0.3:
            asked = self._varied(self._random.choice(AGAIN))
            turns.append(Turn(self._beside(1, asked), description(scenes[1])))
        else:
            turns.append(Turn(self._beside(1, self._question(scenes[1])), self._reply))
        return self._finish([*turns, *self._more(scenes[1])[:1]], scenes)

    def _more(self, scene: Scene) -> list[Turn]:
        turns = []
        for _ in range(self._random.choice((0, 0, 0, 0, 1, 1, 2))):
            if self._random.random() < 0.1:
                turns += self._corpus.fillers(1)
            else:
                turns.append(Turn(self._question(scene), self._reply))
        return turns

    def _question(self, scene: Scene) -> str:
        """Return a question and keep its reply for the caller."""
        turn = self._questions.some(scene)
        self._reply = turn.reply
        return self._varied(turn.question)

    def _varied(self, asked: str) -> str:
        return vary(asked, self._random) if self._random.random() < 0.6 else asked

    def _beside(self, count: int, asked: str) -> str:
        """Put media markers before or after a question."""
        marks, gap = MEDIA * count, "\n" if self._random.random() < 0.06 else ""
        return marks + gap + asked if self._random.random() < 0.5 else asked + gap + marks

    def _finish(self, turns: list[Turn], scenes: tuple[Scene, ...]) -> Talk:
        system = self._corpus.system() if self._random.random() < 0.5 else ""
        return Talk(Conversation(system, tuple(turns)), scenes)


def both(scenes: tuple[Scene, ...]) -> str:
    """Return the description of two pictures in one sentence."""
    return sentence(" and ".join(caption(scene) for scene in scenes))


def alone(scene: Scene) -> Conversation:
    """Return a picture without any text, and its description."""
    return Conversation("", (Turn(MEDIA, description(scene)),))
