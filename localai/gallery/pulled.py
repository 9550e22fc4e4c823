"""The card of a model that was pulled by its reference, decided from its own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from localai.cards.importers.describe import describe_file
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_model
from localai.cards.importers.modelfile import import_ollama_layers
from localai.cards.importers.ollama_layers import ollama_layers
from localai.cards.resolved import Backends
from localai.cards.schema import Card

if TYPE_CHECKING:
    from localai.store.records import StoredModel


def refuse_not_run(model: Path) -> None:
    """Raise CannotImport for a model that nothing here runs, as its first bytes tell.

    What they do not tell shows when all of it is here.
    """
    try:
        # Whether pickles are trusted was asked before.
        described = describe_file(model, trust=True)
    except CannotImport:
        return  # cut off as it is here, it need not be damaged
    if described.backend is None and not described.is_projector:
        raise CannotImport(f"Nothing was fetched: {described.reason}", path=model.name)


def import_pulled(
    name: str, model: StoredModel, store: Path, backends: Backends, reference: str | None = None
) -> Imported:
    """Return the card of a pulled model, with all that came beside its weights or a note on it.

    The card names `reference` in place of the file, where one is given and leads to that file.
    """
    layers = ollama_layers(store / file.path for file in model.files)
    if layers and model.model.suffix == ".gguf":
        found = import_ollama_layers(model.model, layers, backends)
        renamed = {"name": name} | ({"model": reference} if reference else {})
        found = replace(found, card=found.card | renamed)
    else:
        # The store has pickles of those alone who said that they trust them.
        trust = bool(model.files)
        found = import_model(model.model, backends, name=name, reference=reference, trust=trust)
    found = _with_template(_with_projector(found, model, store, backends), model, store, backends)
    Card.model_validate(found.card)
    return replace(found, notes=tuple(dict.fromkeys((*model.notes, *found.notes))))


def _with_projector(
    found: Imported, model: StoredModel, store: Path, backends: Backends
) -> Imported:
    projector = model.path_of("projector", store)
    if projector is None or "mmproj" not in backends[found.card["backend"]][1].options:
        return found
    return _with_option(found, "mmproj", str(projector))


def _with_template(
    found: Imported, model: StoredModel, store: Path, backends: Backends
) -> Imported:
    """Take the Jinja template that came beside a GGUF file, as registries keep it."""
    path = model.path_of("template", store)
    takes = "chat_template" in backends[found.card["backend"]][1].options
    if path is None or path.suffix != ".jinja" or model.model.suffix != ".gguf" or not takes:
        return found
    note = f"The chat template that came with it is used in place of the file's own: {path}."
    with_note = replace(found, notes=(*found.notes, note))
    return _with_option(with_note, "chat_template", path.read_text("utf-8"))


def _with_option(found: Imported, option: str, value: str) -> Imported:
    options = {option: value} | found.card.get("options", {})
    return replace(found, card=found.card | {"options": options})
