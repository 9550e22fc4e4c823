from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from localai.cli.conversation import ChatSession, Conversation
from localai.cli.terminal import printable
from localai.errors import EngineFailed
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway, error, sse

CHAT = ("POST", "/v1/chat/completions")


class ScriptedStream:
    """Streams what a test wrote down; an exception among the pieces is raised."""

    def __init__(self, *answers: list[str | BaseException]) -> None:
        self.answers, self.bodies, self.closed = list(answers), list[Mapping[str, Any]](), 0

    def stream_chat(self, body: Mapping[str, Any]) -> Generator[str, None, None]:
        self.bodies.append(body)
        try:
            for piece in self.answers.pop(0):
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            self.closed += 1


def talk(
    stream: ScriptedStream, *lines: str | BaseException, conversation: Conversation | None = None
) -> str:
    """Run a session over `lines` and return what it wrote."""
    given, written = iter(lines), list[str]()

    def read_line(prompt: str) -> str:
        line = next(given, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    ChatSession(stream, conversation or Conversation(), read_line, written.append).run()
    return "".join(written)


# --- the session ---


def test_answers_stream_and_the_conversation_is_kept() -> None:
    stream = ScriptedStream(["Hel", "lo"], ["Bye"])
    conversation = Conversation("m", "Be brief", {"temperature": 0})

    assert talk(stream, "hi", "and", conversation=conversation) == "Hello\nBye\n\n"
    assert stream.bodies[1] == {
        "model": "m",
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "and"},
        ],
    }


def test_no_model_leaves_the_choice_to_the_gateway() -> None:
    assert "model" not in Conversation().body("hi")


def test_ctrl_c_stops_the_answer_and_keeps_what_came() -> None:
    stream = ScriptedStream(["one ", "two", KeyboardInterrupt()], ["go on"])
    written = talk(stream, "count", "more")

    assert written.startswith("one two [stopped]\n")
    assert stream.closed == 2
    assert stream.bodies[1]["messages"][1] == {"role": "assistant", "content": "one two"}


def test_ctrl_c_at_the_prompt_says_how_to_leave() -> None:
    assert talk(ScriptedStream(), KeyboardInterrupt(), "/bye") == "\nUse /bye to leave.\n"


def test_an_error_is_one_line_and_the_failed_message_is_not_kept() -> None:
    stream = ScriptedStream(["par", EngineFailed("out of memory")], ["fine"])
    written = talk(stream, "bad", "good")

    assert written.startswith("par\nError: out of memory\nfine\n")
    assert stream.bodies[1]["messages"] == [{"role": "user", "content": "good"}]


def test_commands_are_not_sent() -> None:
    stream = ScriptedStream(["a"], ["b"])
    written = talk(stream, "hi", "/clear", "/help", "/frob now", "", "again", "/bye", "never")

    assert "forgotten" in written
    assert "/bye     leave" in written
    assert "no command /frob; /help" in written
    assert stream.bodies[1]["messages"] == [{"role": "user", "content": "again"}]


def test_a_model_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b]0;owned\x07b\r\n\tc\x9b2J") == "a]0;ownedb\n\tc2J"
    assert "\x1b" not in talk(ScriptedStream(["\x1b[2J"]), "hi")


# --- one question ---


def test_a_question_as_argument_is_answered_once(
    gateway: FakeGateway, localai: Callable[..., Ended]
) -> None:
    gateway.answer(*CHAT, Answer(body=sse("4", "2")))
    ended = localai(
        "chat", "qwen", "6*7?", "--system", "s", "--temperature", "0", "--max-tokens", "5"
    )

    assert ended == (0, "42\n", "")
    body = gateway.calls[0].body
    assert (body["model"], body["stream"], body["temperature"], body["max_tokens"]) == (
        "qwen", True, 0, 5,
    )  # fmt: skip
    assert [message["content"] for message in body["messages"]] == ["s", "6*7?"]


def test_piped_input_is_the_question(
    gateway: FakeGateway, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answer(*CHAT, Answer(body=sse("yes")))
    monkeypatch.setattr(sys, "stdin", io.StringIO("line one\nline two\n"))

    assert localai("chat") == (0, "yes\n", "")
    assert gateway.calls[0].body["messages"][0]["content"] == "line one\nline two"
    assert "model" not in gateway.calls[0].body


def test_no_question_at_all_is_wrong_use(
    localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n"))
    ended = localai("chat")

    assert ended.code == 2
    assert "there is no question" in ended.err


def test_a_failing_answer_fails_the_command(
    gateway: FakeGateway, localai: Callable[..., Ended]
) -> None:
    gateway.answer_json(*CHAT, error("There is no model 'x'."), status=404)

    assert localai("chat", "x", "hi")[0::2] == (1, "Error: There is no model 'x'.\n")


# --- a real terminal ---


class Terminal:
    """The far end of a program's terminal."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master, self.process, self._seen = master, process, ""

    def wait_for(self, text: str, seconds: float = 20) -> bool:
        """Read until `text` has come, then forget what was read; tell whether it came in time."""
        while text not in self._seen:
            if not select.select([self._master], [], [], seconds)[0]:
                return False
            self._seen += os.read(self._master, 4096).decode()
        self._seen = self._seen.partition(text)[2]
        return True

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C until `text` comes: one that arrives just before a read is seen after it."""
        for _ in range(20):
            self.process.send_signal(signal.SIGINT)
            if self.wait_for(text, seconds=1):
                return
        raise AssertionError(f"{text!r} never came")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """Run a command of the CLI in a terminal of its own."""
    master, slave = pty.openpty()
    program = "from localai.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env=os.environ | {"TERM": "dumb"},
    ) as process:  # fmt: skip
        os.close(slave)
        try:
            yield Terminal(master, process)
        finally:
            process.kill()
            os.close(master)


def test_ctrl_c_in_a_terminal_stops_the_worker_and_not_the_program(gateway: FakeGateway) -> None:
    models = {"data": [{"id": "qwen", "default_for": ["chat"]}]}
    gateway.answer_json("GET", "/v1/models", models)
    endless = Answer(body=sse("one", end=""), hangs=True)
    gateway.answer(*CHAT, endless, Answer(body=sse("two")))
    with terminal("chat", "--url", gateway.url) as screen:
        assert screen.wait_for("Chatting with qwen")
        assert screen.wait_for(">>> ")
        screen.type("hi\n")
        assert screen.wait_for("one")
        screen.interrupt_until("[stopped]")
        assert gateway.client_left.wait(10)
        assert screen.wait_for(">>> ")
        screen.interrupt_until("/bye to leave")
        assert screen.wait_for(">>> ")
        screen.type("go on\n")
        assert screen.wait_for("two")
        assert screen.wait_for(">>> ")
        screen.type("/bye\n")
        assert screen.process.wait(10) == 0
    assert [message["content"] for message in gateway.calls[-1].body["messages"]] == [
        "hi", "one", "go on",
    ]  # fmt: skip
