"""A conversation as the model sees it: an optional system prompt and turns."""

from dataclasses import dataclass

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['content'] is string -%}"
    "{{- message['content'] | trim -}}"
    "{%- elif message['content'] -%}"
    "{%- set seen = namespace(text='') -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'text' -%}"
    "{%- if seen.text and seen.text != '<__media__>' and part['text'] != '<__media__>' -%}"
    "{{- '\\n' -}}"
    "{%- endif -%}"
    "{{- part['text'] -}}"
    "{%- set seen.text = part['text'] -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- '<|im_start|>assistant\\n' -}}"
    "{%- endif -%}"
)


@dataclass(frozen=True)
class Turn:
    """One question of the user and the reply of the model."""

    question: str
    reply: str


@dataclass(frozen=True)
class Conversation:
    """An optional system prompt followed by turns."""

    system: str
    turns: tuple[Turn, ...]

    def messages(self) -> list[tuple[str, str]]:
        """Return the (role, text) pairs in the order in which they are written."""
        pairs = [("system", self.system)] if self.system else []
        for turn in self.turns:
            pairs += [("user", turn.question.strip()), ("assistant", turn.reply)]
        return pairs
