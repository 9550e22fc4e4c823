"""From an order to what is installed: an entry of a gallery, or a configuration of LocalAI's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localai.cards.resolved import Backends
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.gallery.asked_by_callers import refuse_code, refuse_paths
from localai.gallery.card_of import card_complaints
from localai.gallery.complaints import complaints_of
from localai.gallery.entry import Entry
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
from localai.gallery.order import ConfigureOrder, InstallOrder
from localai.gallery.overriding import override_entry, refuse_lost
from localai.gallery.yaml_text import read_text


def ordered_entry(entry: Entry, order: InstallOrder, backends: Backends) -> Entry:
    """Return a gallery's entry under the order's name, with its files and overrides."""
    content = entry.model_dump(mode="json", exclude_unset=True) | {"name": order.name}
    if order.description:
        content["description"] = order.description
    asked = [file.as_listed() for file in order.files]
    names = {file["path"] for file in asked}
    first = content["files"][0]["path"]
    if first in names:  # the first of the files is the model, also when the caller brings it
        content.setdefault("card", {}).setdefault("model", first)
    content["files"] = [file for file in content["files"] if file["path"] not in names] + asked
    changed = _checked(content)
    if order.overrides:
        changed = override_entry(changed, order.overrides, backends)
    refuse_paths(changed.card.options, param="id")
    if wrong := next(card_complaints(changed, backends), None):
        raise InvalidRequest(f"Such a model cannot be installed: {wrong.message}.")
    return changed


def configured_entry(order: ConfigureOrder, backends: Backends, fetch: Fetch) -> Entry:
    """Return the entry of a configuration: its base at `url`, `config`, and the overrides.

    Raises a LocalAIError that names what cannot be translated.
    """
    overrides, own = dict(order.overrides), order.config or {}
    fetch = cache(fetch)
    bases = Bases(fetch)
    url, config = _at(order.url, fetch)
    base = bases.get(url) if url else SourceEntry()
    config = deep_merge(config, own)
    name = order.name or overrides.get("name") or config.get("name") or base.name
    if not name:
        raise InvalidRequest(
            "The configuration does not say what the model is called: give 'name'.", param="name"
        )
    raw = SourceEntry(
        name=str(name),
        url=url,
        config_file=config,
        description=order.description or base.description,
        license=base.license,
        files=tuple(
            SourceFile(filename=file.filename, uri=file.uri, sha256=file.sha256)
            for file in order.files
        ),
    )
    asked = merge(raw, bases, overrides).config
    param = "url" if order.url else "config_file"
    refuse_code(asked, backends, param)
    refuse_paths(asked, param)
    entry, lost = convert(raw, bases, backends, overrides)
    if not isinstance(entry, Entry):
        raise UnsupportedParameter(
            f"The model '{raw.name}' cannot be run here: {entry.reason}.", param=param
        )
    refuse_lost(lost, deep_merge(own, overrides))
    return entry


def _at(url: str, fetch: Fetch) -> tuple[str, dict[str, Any]]:
    """Return the address of a base, or none and the whole configuration that is there instead."""
    if not url:
        return "", {}
    address = web_address(url)
    source = read_text(fetch(address), Path(address))
    is_whole = isinstance(source.data, dict) and "parameters" in source.data
    return ("", dict(source.data)) if is_whole and not source.problems else (url, {})


def _checked(content: Mapping[str, Any]) -> Entry:
    try:
        return Entry.model_validate(content)
    except ValidationError as error:
        first = next(complaints_of(error))
        raise InvalidRequest(f"Such a model cannot be installed: {first.message}.") from None
