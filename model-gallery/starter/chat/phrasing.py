"""Other ways to write a question: contractions, polite words, case, punctuation, slips."""

from random import Random

OPENINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is ", ("What's ", "Whats ", "Tell me ", "Do you know ", "Can you tell me ", "what is ")),
    ("What does ", ("Tell me what does ", "what exactly does ", "what does ")),
    ("What are ", ("Tell me ", "Do you know ", "What're ", "Show me ")),
    (
        "How do I ",
        (
            "How can I ",
            "How to ",
            "How would I ",
            "Tell me how to ",
            "Show me how to ",
            "How should I ",
            "What is the way to ",
            "I want to ",
            "How could I ",
            "How do you ",
            "Which command is there to ",
            "What command do I use to ",
            "Explain how to ",
        ),
    ),
    ("How many ", ("Tell me how many ", "Do you know how many ", "how many ")),
    ("How much is ", ("What is ", "Tell me ", "How much are ")),
    ("Which ", ("What ", "Tell me which ", "Do you know which ")),
    ("Where ", ("Tell me where ", "Do you know where ")),
    ("Who ", ("Tell me who ", "Do you know who ")),
    ("Explain ", ("Please explain ", "Can you explain ", "Tell me about ", "What is ")),
    ("List ", ("Show me ", "Name ", "Give me ", "Tell me ", "Can you list ")),
    ("Name ", ("List ", "Can you name ", "Tell me ")),
    ("Count ", ("Can you count ", "Please count ", "Now count ")),
    ("Tell me ", ("Can you tell me ", "Please tell me ", "Give me ", "I want to know ")),
    ("Can I ", ("Could I ", "May I ", "Is it possible to ")),
    ("Do I need ", ("Must I have ", "Do you need ", "Do I have to have ")),
    ("Calculate ", ("Work out ", "Compute ", "Please calculate ")),
)
WORDS = (
    ("colour", "color"),
    ("licence", "license"),
    ("favourite", "favorite"),
    ("do not", "don't"),
    ("Can you ", "Could you "),
)
BEFORE = ("Please ", "Hey, ", "Hi, ", "Hello! ", "Question: ", "OK, ", "So, ", "Quick question: ")
AFTER = (" please", ", please", ", please?", " Thanks.", " thanks")


def vary(text: str, rng: Random, slips: bool = True) -> str:
    """Return the text as another user may write it."""
    if rng.random() < 0.35:
        return text
    if rng.random() < 0.35:
        text = _reopen(text, rng)
    if rng.random() < 0.2:
        text = _respell(text)
    if rng.random() < 0.12:
        text = _wrap(text, rng)
    if slips and rng.random() < 0.08:
        text = _slip(text, rng)
    return _recase(_reend(text, rng), rng)


def decorate(text: str, rng: Random) -> str:
    """Change no more than case and punctuation."""
    return text if rng.random() < 0.5 else _recase(_reend(text, rng), rng)


def _reopen(text: str, rng: Random) -> str:
    for opening, others in OPENINGS:
        if text.lower().startswith(opening.lower()):
            return rng.choice(others) + text[len(opening) :]
    return text


def _respell(text: str) -> str:
    for old, new in WORDS:
        text = text.replace(old, new)
    return text


def _wrap(text: str, rng: Random) -> str:
    if rng.random() < 0.35:
        return text.rstrip("?.! ") + rng.choice(AFTER)
    opening = text[:1].lower() if rng.random() < 0.6 else text[:1]
    return rng.choice(BEFORE) + opening + text[1:]


def _slip(text: str, rng: Random) -> str:
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    place = rng.choice(long)
    word = words[place]
    at = rng.randrange(1, len(word) - 1)
    changed = (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:])
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    words[place] = rng.choice((*changed, swapped))
    return " ".join(words)


def _reend(text: str, rng: Random) -> str:
    chance = rng.random()
    if chance < 0.45:
        return text.rstrip("?.! ")
    if chance < 0.55 and text[-1:].isalnum():
        return text + rng.choice(("?", ".", "!", "??", " ?"))
    return text


def _recase(text: str, rng: Random) -> str:
    chance = rng.random()
    if chance < 0.4:
        return text.lower()
    if chance < 0.43:
        return text.upper()
    if chance < 0.6:
        return text[:1].upper() + text[1:]
    return text
