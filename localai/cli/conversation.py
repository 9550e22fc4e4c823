"""A conversation with a model, independent of where its lines come from and go to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from localai.cli.terminal import printable
from localai.errors import LocalAIError

HELP = """\
/clear   forget the conversation
/bye     leave (Ctrl-D does the same)
/help    show this list
Ctrl-C   stop the answer"""


class ChatStream(Protocol):
    """Anything that streams the text of an answer to a chat request."""

    def stream_chat(self, body: Mapping[str, Any]) -> Generator[str, None, None]:
        """Yield the answer's text piece by piece."""
        ...


@dataclass
class Conversation:
    """The messages so far, and the parameters that every call of it carries."""

    model: str | None = None
    system: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    """Addresses or data URIs of pictures that the next question is about."""

    def body(self, question: str) -> dict[str, Any]:
        """Return the chat request that asks `question` after all that was said."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked = [{"role": "user", "content": self._content(question)}]
        body = {"messages": [*system, *self.messages, *asked], **self.parameters}
        return body if self.model is None else {"model": self.model, **body}

    def keep(self, question: str, answer: str) -> None:
        """Add an exchange, whole or as far as it came."""
        self.messages.append({"role": "user", "content": self._content(question)})
        self.messages.append({"role": "assistant", "content": answer})
        self.images.clear()

    def _content(self, question: str) -> str | list[dict[str, Any]]:
        if not self.images:
            return question
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in self.images]
        return [*pictures, {"type": "text", "text": question}]


@dataclass
class ChatSession:
    """Asks for lines and streams answers until the person leaves."""

    gateway: ChatStream
    conversation: Conversation
    read_line: Callable[[str], str]
    write: Callable[[str], None]

    def run(self) -> None:
        """Talk until /bye or the end of the input; errors and Ctrl-C do not end it."""
        while True:
            try:
                line = self.read_line(">>> ").strip()
                if line == "/bye":
                    return
                if line:
                    self._take(line)
            except KeyboardInterrupt:
                self.write("\nUse /bye to leave.\n")
            except EOFError:
                self.write("\n")
                return

    def _take(self, line: str) -> None:
        if line == "/clear":
            self.conversation.messages.clear()
            self.write("The conversation is forgotten.\n")
        elif line == "/help":
            self.write(f"{HELP}\n")
        elif line.startswith("/"):
            self.write(f"There is no command {line.split()[0]}; /help lists all.\n")
        else:
            self._answer(line)

    def _answer(self, question: str) -> None:
        pieces: list[str] = []
        try:
            # Closing the stream closes the connection, which is what stops the worker.
            with closing(self.gateway.stream_chat(self.conversation.body(question))) as answer:
                for piece in answer:
                    pieces.append(piece)
                    self.write(printable(piece))
        except KeyboardInterrupt:
            self.write(" [stopped]")
        except LocalAIError as error:
            # A failed exchange is not kept, so that the next call does not fail the same way.
            self.write(f"{chr(10) if pieces else ''}Error: {printable(error.message)}\n")
            return
        self.write("\n")
        if pieces:
            self.conversation.keep(question, "".join(pieces))
