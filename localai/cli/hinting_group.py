"""A group of commands that says what a word could have meant that is none of them."""

from __future__ import annotations

import click

from localai.errors import nearest

_OTHER_WORDS = {
    "ls": "list", "serve": "run", "start": "run", "create": "card import", "delete": "rm",
    "remove": "rm", "download": "pull",
}  # fmt: skip
"""What other programs, Ollama first, call the commands of `localai`."""


class HintingGroup(click.Group):
    """Names the nearest command, and `localai`'s own for a word of another program."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            ctx.fail(f"No such command '{word}'.{self._hint(ctx, word)}")
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, word: str) -> str:
        other = _OTHER_WORDS.get(word.casefold()) if ctx.parent is None else None
        known = self.list_commands(ctx)
        return nearest(word, known) if other is None else f" It is `localai {other}` here."
