"""Models that a Modelfile makes from one that is here: what the card of that one brings along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.cards.importers.draft import Draft
from localai.cards.importers.imported import CannotImport
from localai.cards.leads import Leads
from localai.cards.model_files import resolve_model_path
from localai.cards.options import CONTEXT_OPTION
from localai.cards.resolved import ResolvedCard
from localai.errors import CardError, LoadFailed
from localai.files import place_of
from localai.references import is_reference, is_remote, local_path

CardCalled = Callable[[str], ResolvedCard | None]
"""Tells which card of this machine has a name or an alias; raises CardError for a broken one."""
_BACKEND = "llama_cpp"
_LATEST = ":latest"
_WHOLE_PARTS = ("fallback", "trust", "keep_alive", "lenient")


def no_cards(_: str) -> None:
    """Know of no card that is here."""


@dataclass(frozen=True)
class Base:
    """The model that another one is made from; `card` has no path that is relative to it."""

    card: ResolvedCard
    model: str
    """An absolute path, or a reference to fetch."""
    file: Path | None
    """Where the model is, if it is here."""

    @property
    def chat_template(self) -> str | None:
        """Return the template that its card has in place of the file's own."""
        return self.card.card.options.get("chat_template")

    def take_into(self, draft: Draft) -> None:
        """Let the draft begin as the card, without the template, which may get more before it."""
        content, said = self.card.card.model_dump(mode="json", exclude_unset=True), "FROM"
        for option, value in _options(self.card).items():
            if option == CONTEXT_OPTION:  # a limit says the same, and PARAMETER num_ctx is one
                draft.limit("context", value, said)
            elif option != "chat_template":
                draft.option(option, value, said)
        for parameter, value in content.get("defaults", {}).items():
            draft.default(parameter, value, said)
        for limit, value in content.get("limits", {}).items():
            draft.limit(limit, value, said)
        draft.capabilities(self.card.card.capabilities or ())
        for part in _WHOLE_PARTS:
            draft.put(part, content.get(part))
        # Where the model is named by its path, all that it needs is here.
        draft.put("files", content.get("files") if self.model != str(self.file) else None)


def base_called(name: str, card_called: CardCalled, modelfile: Path) -> Base | None:
    """Return the model that is here under `name`, or that without `:latest`, as Ollama reads it.

    Raises CannotImport for one that another backend runs, whose file is gone or card is broken.
    """
    if is_reference(name):
        return None
    card = _card_called(name, card_called, modelfile)
    if card is None and name.endswith(_LATEST):
        card = _card_called(name.removesuffix(_LATEST), card_called, modelfile)
    if card is None:
        return None
    if card.card.backend != _BACKEND:
        raise CannotImport(
            f"FROM names '{card.name}', which {card.card.backend} runs here, and Modelfiles are "
            f"for what {_BACKEND} runs: copy its card {card.path} instead.",
            path=str(modelfile),
        )
    return Base(card, *_model_of(card, modelfile))


def _card_called(name: str, card_called: CardCalled, modelfile: Path) -> ResolvedCard | None:
    try:
        return card_called(name)
    except CardError as error:
        raise CannotImport(
            f"FROM names '{name}', whose card is broken. {error}", path=str(modelfile)
        ) from error


def _model_of(card: ResolvedCard, modelfile: Path) -> tuple[str, Path | None]:
    """Return how a card in another folder names the model, and where it is, if it is here."""
    lead = Leads(card).model
    try:
        path = resolve_model_path(card)
    except LoadFailed as failure:
        if lead is None or not lead.is_elsewhere:
            raise CannotImport(
                f"FROM names a model of here. {failure.message}", path=str(modelfile)
            ) from failure
        return lead.reference, None
    named = card.card.model or ""
    return named if is_remote(named) else str(path), path


def _options(card: ResolvedCard) -> dict[str, Any]:
    """Return the options, with paths that do not depend on the folder of the card."""
    paths = {
        name: lead.reference if lead.is_elsewhere else _absolute(lead.reference, card)
        for name, lead in Leads(card).options.items()
    }
    return card.card.options | paths


def _absolute(text: str, card: ResolvedCard) -> str:
    path = local_path(text)
    return text if path is None else str(place_of(card.path.parent / path))
