"""LocalAI's model YAML to cards: every key is mapped, or named in a note.

Source: https://localai.io/advanced/#full-config-model-file-reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.cards.importers.describe import describe_file
from localai.cards.importers.draft import Draft, draft_for, fits_name
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.localai_backends import guessed_backend, instead_of, our_backend
from localai.cards.importers.localai_files import (
    take_adapters,
    take_files,
    take_model,
    take_projector,
)
from localai.cards.importers.localai_keys import REASONS, Keys, listed
from localai.cards.importers.localai_place import Place
from localai.cards.importers.localai_prompts import Prompts
from localai.cards.importers.localai_settings import take_loading, take_options, take_sampling
from localai.cards.importers.yaml_documents import read_documents
from localai.cards.localai_models import models_of_localai
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, Locate, nowhere
from localai.protocol.capabilities import Capability

_USES: dict[str, tuple[Capability, ...]] = {
    "chat": (Capability.CHAT,),
    "completion": (Capability.COMPLETION,),
    "llm": (Capability.CHAT, Capability.COMPLETION),
    "embeddings": (Capability.EMBEDDING,),
    "image": (Capability.IMAGE,),
    "transcript": (Capability.TRANSCRIPTION, Capability.TRANSLATION),
    "tts": (Capability.SPEECH,),
    "vad": (Capability.VOICE_ACTIVITY,),
    "vision": (Capability.VISION,),
}
_NO_MODELS = ("pipeline", "proxy", "router")
"""Keys of what is called like a model and only leads to others."""


def import_localai_file(path: Path, backends: Backends, locate: Locate = nowhere) -> list[Imported]:
    """Return a card for each model of a LocalAI YAML: one model, several documents, or a list.

    Raises CannotImport for a file that holds no model, or one that no backend here runs.
    """
    place = Place(path, backends, locate)
    models, aliases = _entries(place)
    cards = [import_localai(one, place) for one in models]
    for alias in aliases:
        cards = _with_alias(cards, alias, place)
    return cards


def import_localai_folder(
    paths: Sequence[Path], backends: Backends, locate: Locate = nowhere
) -> list[Imported]:
    """Return a card for each model of LocalAI's YAMLs in one folder, whose aliases may cross files.

    What is a card already is passed over, and what is refused told in a note of the first card.
    Raises CannotImport where all are.
    """
    cards: list[Imported] = []
    aliases: list[tuple[Mapping[str, Any], Place]] = []
    refused: list[CannotImport] = []
    theirs_alone = (path for path in paths if check_card(path, backends).resolved is None)
    for place in (Place(path, backends, locate) for path in theirs_alone):
        try:
            models, theirs = _entries(place)
            if not models_of_localai(place.file, backends):
                raise place.refusal("is no model YAML of LocalAI's.")
            cards += [import_localai(one, place) for one in models]
        except CannotImport as error:
            refused.append(error)
        else:
            aliases += [(one, place) for one in theirs]
    for alias, place in aliases:
        try:
            cards = _with_alias(cards, alias, place)
        except CannotImport as error:
            refused.append(error)
    if not cards and len(refused) > 1:
        reasons = " ".join(map(str, refused))
        raise CannotImport(f"nothing in it can be imported. {reasons}", path=str(paths[0].parent))
    if not cards:
        raise refused[0]
    notes = (*cards[0].notes, *(f"Not imported: {error}" for error in refused))
    return [replace(cards[0], notes=notes), *cards[1:]]


def _entries(place: Place) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return what is a model in a file, and what only leads to one."""
    found = [one for document in read_documents(place.file) for one in _models(document, place)]
    if not found:
        raise place.refusal("holds no model.")
    models = [one for one in found if not one.get("alias")]
    return models, [one for one in found if one.get("alias")]


def _models(document: Any, place: Place) -> list[Mapping[str, Any]]:
    entries = document if isinstance(document, list) else [document]
    for entry in entries:
        if not isinstance(entry, dict):
            raise place.refusal("holds something that is no model: write `key: value` lines.")
    return entries


def _with_alias(
    cards: Sequence[Imported], alias: Mapping[str, Any], place: Place
) -> list[Imported]:
    """Return `cards` with a redirecting entry turned into a second name of its target."""
    target, name = str(alias["alias"]), str(alias.get("name") or "")
    if not name:
        raise place.refusal(f"an entry only leads to '{target}' and has no name: write `name:`.")
    keys = Keys({key: value for key, value in alias.items() if key not in ("alias", "name")})
    wanted, second = fits_name(target), fits_name(name)
    if not any(card.card["name"] == wanted for card in cards):
        raise place.refusal(
            f"'{name}' only leads to '{target}': write `aliases: [{second}]` in that model's card."
        )
    written = [f"The alias '{name}' is written '{second}', as names are here."]
    notes = (*(written if second != name else ()), *map(str, keys.left()))
    return [
        replace(
            card,
            card=_aliased(card.card, second),
            notes=(*card.notes, *notes),
            sources=(*card.sources, place.file),
        )
        if card.card["name"] == wanted
        else card
        for card in cards
    ]


def _aliased(card: Mapping[str, Any], alias: str) -> dict[str, Any]:
    aliases = [*card.get("aliases", []), alias]
    return {"name": card["name"], "aliases": aliases} | {
        key: value for key, value in card.items() if key not in ("name", "aliases")
    }


def import_localai(data: Mapping[str, Any], place: Place) -> Imported:
    """Return the card for one model's data; raises CannotImport where no backend here runs it."""
    keys = Keys(data)
    model = keys.text("parameters.model")
    backend, reason = _backend(keys, model, place)
    draft = draft_for(backend, place.backends)
    _take_identity(keys, draft, model)
    described = take_model(keys, draft, model, place)
    take_files(keys, draft, place)
    take_projector(keys, draft, place)
    take_sampling(keys, draft)
    take_loading(keys, draft, described)
    take_adapters(keys, draft, place)
    take_options(keys, draft, place)
    _take_capabilities(keys, draft)
    Prompts(keys, draft, place, model, described).take()
    draft.share_memory()
    draft.note(*keys.left())
    return replace(draft.finish(reason), sources=(place.file,))


def _backend(keys: Keys, model: str, place: Place) -> tuple[str, str]:
    named = keys.text("backend")
    uses = _uses(keys.look("known_usecases"))
    if keys.flag("reranking") or "rerank" in uses:
        raise place.refusal("its model ranks texts, and no backend here does.")
    if named:
        ours = our_backend(named, embeds=bool(keys.look("embeddings")) or "embeddings" in uses)
        if ours is None or ours not in place.backends:
            raise place.refusal(f"its backend '{named}' has no match here: {instead_of(named)}.")
        return ours, f"LocalAI's backend '{named}' is {ours} here."
    if not model:
        _check_has_model(keys, place)
    here = place.local(model)
    if here is not None:
        described = describe_file(here)
        if described.backend is None:
            raise place.refusal(described.reason)
        return described.backend, described.reason
    guessed = guessed_backend(model)
    if guessed is None or guessed not in place.backends:
        told = f"its model, '{model}', tells none" if model else "no model that would tell one"
        raise place.refusal(f"names no backend, and {told}: write `backend:`.")
    return guessed, f"No backend is named; models like {model} are run by {guessed}."


def _check_has_model(keys: Keys, place: Place) -> None:
    """Raise CannotImport for what has neither backend nor model by its nature, and say so."""
    for key in _NO_MODELS:
        if keys.look(key) is not None:
            raise place.refusal(f"has `{key}` in place of a model: {REASONS[key]}.")
    if keys.look("config_file") is not None:
        raise place.refusal(
            "is the base of a gallery's models, which names none itself: install such a model by "
            "`localai install NAME`, or import the text below `config_file` with a model's name."
        )
    if keys.look("mitm") is not None:
        raise place.refusal(f"has `mitm` in place of a model: {REASONS['mitm']}.")


def _uses(value: Any) -> list[str]:
    """Return uses as `known_usecases: [FLAG_CHAT]` and `[chat]` both mean them."""
    return [str(one).strip().lower().removeprefix("flag_") for one in listed(value)]


def _take_identity(keys: Keys, draft: Draft, model: str) -> None:
    name = keys.text("name") or re.sub(r"\.\w+$", "", model.rpartition("/")[2])
    draft.name(name)
    texts = [keys.text("description").strip(), keys.text("usage").strip()]
    draft.put("description", "\n\n".join(text for text in texts if text))


def _take_capabilities(keys: Keys, draft: Draft) -> None:
    uses = dict.fromkeys(_uses(keys.take("known_usecases")), "known_usecases")
    if keys.look("embeddings") is not None and keys.flag("embeddings"):
        uses["embeddings"] = "embeddings"
    wanted: list[Capability] = []
    for use, key in uses.items():
        can = [one for one in _USES.get(use, ()) if one in draft.manifest.capabilities]
        wanted += can
        if not can:
            draft.lose(f"The use `{use}` is left out: {draft.backend} does not offer it.", key)
    if Capability.EMBEDDING in wanted and draft.backend == "llama_cpp":
        others = [use for use in uses if use not in ("embeddings",)]
        if others:
            draft.note(
                f"The model is used for embeddings alone, not for {', '.join(others)}: text and "
                "embeddings from one file take two cards."
            )
        draft.capabilities((Capability.EMBEDDING,))
    elif draft.backend == "llama_cpp" and wanted == [Capability.COMPLETION]:
        draft.capabilities((Capability.COMPLETION,))
    # What else is listed comes beside what LocalAI finds out itself, as a card's backend does.
    elif Capability.VISION in wanted and not (draft.get("options") or {}).get("mmproj"):
        draft.lose(
            "The use `vision` is left out: it needs a projector, `mmproj`.", "known_usecases"
        )
