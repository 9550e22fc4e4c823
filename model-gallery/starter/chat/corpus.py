"""thin"""
import random
from collections.abc import Iterator
from .dialogue import Conversation, Turn
P=[("What is the capital of France?","Paris."),("Hi","Hello! How can I help?"),("What is 2 + 3?","2 + 3 = 5."),("What is the opposite of hot?","Cold.")]
class Corpus:
    def __init__(self, seed: int) -> None:
        self._r = random.Random(seed)
    def conversation(self) -> Conversation:
        return Conversation(self._r.choice(["","You are a helpful assistant."]), tuple(Turn(*self._r.choice(P)) for _ in range(self._r.randint(1,4))))
def tokenizer_texts(seed: int) -> Iterator[str]:
    c = Corpus(seed)
    for _ in range(1000):
        for r, t in c.conversation().messages():
            yield r; yield t
