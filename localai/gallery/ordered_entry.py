"""From an order to what is installed: an entry of a gallery, or a configuration of LocalAI's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from localai.cards.resolved import Backends
from localai.cards.schema import Card
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.gallery.asked_by_callers import refuse_code, refuse_paths
from localai.gallery.card_of import card_complaints
from localai.gallery.complaints import complaints_of
from localai.gallery.entry import Entry
from localai.gallery.fetching import fetch_text
from localai.gallery.localai_format import (
    Bases,
    Fetch,
    SourceEntry,
    SourceFile,
    convert,
    deep_merge,
    merge,
    web_address,
)
from localai.gallery.overriding import changes_of, override_entry, refuse_lost
from localai.gallery.pulled import import_pulled
from localai.gallery.yaml_text import read_text

if TYPE_CHECKING:
    from localai.store.records import StoredModel


def ordered_entry(entry: Entry, order: Mapping[str, Any], backends: Backends) -> Entry:
    """Return a gallery's entry under the order's name, with its files and overrides."""
    content = entry.model_dump(mode="json", exclude_unset=True) | {"name": order["name"]}
    if description := order.get("description"):
        content["description"] = description
    asked = [_entry_file(file) for file in order.get("files", ())]
    names = {file["path"] for file in asked}
    first = content["files"][0]["path"]
    if first in names:  # the first of the files is the model, also when the caller brings it
        content.setdefault("card", {}).setdefault("model", first)
    content["files"] = [file for file in content["files"] if file["path"] not in names] + asked
    changed = _checked(content)
    if overrides := order.get("overrides"):
        changed = override_entry(changed, overrides, backends)
    refuse_paths(changed.card.options, param="id")
    if wrong := next(card_complaints(changed, backends), None):
        raise InvalidRequest(f"Such a model cannot be installed: {wrong.message}.")
    return changed


def configured_entry(
    order: Mapping[str, Any], backends: Backends, fetch: Fetch = fetch_text
) -> Entry:
    """Return the entry of a configuration: its base at `url`, `config`, and the overrides.

    Raises a LocalAIError that names what cannot be translated.
    """
    overrides = dict(order.get("overrides") or {})
    fetch = cache(fetch)
    bases = Bases(fetch)
    url, config = _at(str(order["url"] or ""), fetch)
    base = bases.get(url) if url else SourceEntry()
    config = deep_merge(config, order.get("config") or {})
    name = order["name"] or overrides.get("name") or config.get("name") or base.name
    if not name:
        raise InvalidRequest(
            "The configuration does not say what the model is called: give 'name'.", param="name"
        )
    raw = SourceEntry(
        name=str(name),
        url=url,
        config_file=config,
        description=order.get("description") or base.description,
        license=base.license,
        files=tuple(SourceFile.model_validate(file) for file in order.get("files", ())),
    )
    asked = merge(raw, bases, overrides).config
    refuse_code(asked, backends, param="url" if order["url"] else "config_file")
    refuse_paths(asked, param="url" if order["url"] else "config_file")
    entry = convert(raw, bases, backends, overrides)
    if not isinstance(entry, Entry):
        raise UnsupportedParameter(
            f"The model '{raw.name}' cannot be run here: {entry.reason}.",
            param="url" if order["url"] else "config_file",
        )
    refuse_lost(entry.notes, deep_merge(order.get("config") or {}, overrides))
    return entry


def _at(url: str, fetch: Fetch) -> tuple[str, dict[str, Any]]:
    """Return the address of a base, or none and the whole configuration that is there instead."""
    if not url:
        return "", {}
    address = web_address(url)
    source = read_text(fetch(address), Path(address))
    is_whole = isinstance(source.data, dict) and "parameters" in source.data
    return ("", dict(source.data)) if is_whole and not source.problems else (url, {})


def pulled_card(
    name: str,
    model: StoredModel,
    more: Mapping[str, StoredModel],
    order: Mapping[str, Any],
    store: Path,
    backends: Backends,
) -> tuple[Card, tuple[str, ...]]:
    """Return the card of a pulled model, with the order's overrides, and notes on what was lost.

    `more` are its other files.
    """
    found = import_pulled(name, model, store, backends)
    content = Card.model_validate(found.card).model_dump(mode="json", exclude_unset=True)
    if description := order.get("description"):
        content["description"] = description
    files = [
        {"path": file["filename"], "uri": file["uri"]} | _hash(file)
        for file in order.get("files", ())
    ]
    if overrides := order.get("overrides"):
        described = content | {"model": model.model.name, "files": files}
        changes = changes_of(described, overrides, backends, model.model.parent)
        files += changes.pop("files", [])
        content = deep_merge(content, changes)
    places = {path: str(one.model) for path, one in more.items()}
    listed = [file | {"path": places.get(file["path"], file["path"])} for file in files]
    if listed:
        content["files"] = listed
    return Card.model_validate(_placed(content, places)), found.notes


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    """Return a card with the names of the order's files replaced by where they are."""
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, dict):
        return {key: _placed(one, places) for key, one in value.items()}
    return [_placed(one, places) for one in value] if isinstance(value, list) else value


def _entry_file(file: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": file["filename"], "uri": file["uri"]} | _hash(file)


def _hash(file: Mapping[str, Any]) -> dict[str, Any]:
    return {"sha256": file["sha256"]} if file.get("sha256") else {}


def _checked(content: Mapping[str, Any]) -> Entry:
    try:
        return Entry.model_validate(content)
    except ValidationError as error:
        first = next(complaints_of(error))
        raise InvalidRequest(f"Such a model cannot be installed: {first.message}.") from None
