"""Which files a card names, and which a model of the store has: who needs what."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.files import place_of
from localai.references import is_remote, local_path, scheme_of

if TYPE_CHECKING:
    from localai.cards.resolved import Locate
    from localai.cards.schema import Card
    from localai.protocol.manifest import Manifest
    from localai.store.records import StoredModel


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in a part of a card, which may be wrong in form."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts_of(one)


def sources_of(card: Card) -> list[str]:
    """Return every reference in `card` that leads away from this machine, each once."""
    content = card.model_dump(mode="json", exclude_unset=True)
    texts = texts_of([content.get(key) for key in ("model", "options", "files")])
    return list(dict.fromkeys(text for text in texts if is_remote(text)))


def place_named(text: str, folder: Path, locate: Locate) -> Path | None:
    """Return where a model is, or would be, that a card in `folder` names; None for one not here.

    As `place_of` spells it.
    """
    path = _place_of(text, folder)
    if not scheme_of(text):
        meaning = None if path.exists() else locate.meaning(text)
        if meaning is None:
            return path
        text = meaning.reference
    if (here := local_path(text)) is not None:
        return place_of(folder / here)
    found = locate(text)
    return found and place_of(found)


def places_of(content: Mapping[str, Any], folder: Path, locate: Locate) -> set[Path]:
    """Return where everything lies that a card in `folder` may name, as `place_of` spells it.

    Any text of it may name a file: a card that is wrong elsewhere needs files too.
    """
    places: set[Path] = set()
    for text in texts_of(content):
        if not text or "\n" in text or "\0" in text:
            continue
        if "/" in text and (found := place_named(text, folder, locate)) is not None:
            places.add(found)
        if "://" not in text:
            places.add(_place_of(text, folder))
    model = content.get("model")
    if isinstance(model, str) and (found := place_named(model, folder, locate)) is not None:
        places.add(found)
    return places


def with_places(
    content: Mapping[str, Any], places: Mapping[str, str], manifest: Manifest | None
) -> dict[str, Any]:
    """Return a card's content with `places` of files in place of the paths that it names them by.

    Only what names a file counts: the model, `files`, and the options that `manifest` calls paths.
    """
    specs = {} if manifest is None else manifest.options
    named = {name for name, spec in specs.items() if spec.is_path}
    placed = dict(content)
    if "model" in content:
        placed["model"] = _placed(content["model"], places)
    if isinstance(options := content.get("options"), dict):
        placed["options"] = options | {
            name: _placed(value, places) for name, value in options.items() if name in named
        }
    if isinstance(files := content.get("files"), list):
        placed["files"] = [
            one | {"path": _placed(one.get("path"), places)} if isinstance(one, dict) else one
            for one in files
        ]
    return placed


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    return places.get(value, value) if isinstance(value, str) else value


def stored_files(model: StoredModel, store: Path) -> set[Path]:
    """Return where a model's files are, and what is its main one, as `place_of` spells it."""
    return {place_of(model.model), *(place_of(store / file.path) for file in model.files)}


def stored_places(model: StoredModel, store: Path) -> set[Path]:
    """Return the files of a model, and the folders around them that `store` holds."""
    files = stored_files(model, store)
    return files | {folder for file in files for folder in file.parents if store in folder.parents}


def _place_of(path: str, folder: Path) -> Path:
    return place_of(folder / os.path.expanduser(path))
