"""`localai chat`: talk to a model, or ask it one thing."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import click

from localai.cli.client import Gateway, url_option
from localai.cli.conversation import ChatSession, Conversation
from localai.cli.pictures import picture_url
from localai.cli.terminal import printable


@click.command("chat")
@click.argument("model", required=False)
@click.argument("question", required=False)
@url_option
@click.option("--image", "images", multiple=True, help="Picture to talk about: a file or a URL")
@click.option("--system", help="What the model is told before the conversation")
@click.option("--temperature", type=float, help="How freely the model chooses its words, 0 to 2")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer, in tokens")
def chat_command(
    model: str | None,
    question: str | None,
    url: str,
    system: str | None,
    images: tuple[str, ...],
    **parameters: Any,
) -> None:
    """Talk to MODEL, or to the default one; with QUESTION or piped input, ask only that."""
    given = {name: value for name, value in parameters.items() if value is not None}
    conversation = Conversation(model, system, given, images=[picture_url(i) for i in images])
    gateway = Gateway(url)
    if question is not None:
        _ask_once(gateway, conversation, question)
    elif sys.stdin.isatty():
        _talk(gateway, conversation)
    else:
        _ask_once(gateway, conversation, sys.stdin.read().strip())


def _ask_once(gateway: Gateway, conversation: Conversation, question: str) -> None:
    if not question:
        raise click.UsageError("there is no question: pipe one in, or give it as an argument")
    clean = printable if sys.stdout.isatty() else str
    try:
        with closing(gateway.stream_chat(conversation.body(question))) as answer:
            for piece in answer:
                _write(clean(piece))
    finally:
        _write("\n")


def _talk(gateway: Gateway, conversation: Conversation) -> None:
    _enable_line_editing()
    name = conversation.model or _default_chat_model(gateway)
    _write(f"Chatting with {name}. /help lists the commands, /bye leaves.\n")
    ChatSession(gateway, conversation, input, _write).run()


def _default_chat_model(gateway: Gateway) -> str:
    models = gateway.get("/v1/models")["data"]
    return next(
        (model["id"] for model in models if "chat" in (model.get("default_for") or ())),
        "the default model",
    )


def _enable_line_editing() -> None:
    try:
        import readline  # noqa: F401 - gives `input` its editing keys and history
    except ImportError:
        return


def _write(text: str) -> None:
    click.echo(text, nl=False)
